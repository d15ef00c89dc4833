import type { Conversation } from './conversation.ts';

/** Splits a text into its tokens: a word with the space before it. Joined again they are the text. */
export const splitTokens = (text: string): string[] => text.match(/\s*\S+|\s+$/g) ?? [];

const isSpace = (code: number): boolean => code === 32 || (code >= 9 && code <= 13);

export const countWords = (text: string): number => {
  let words = 0;
  let insideWord = false;
  for (let index = 0; index < text.length; index += 1) {
    const space = isSpace(text.charCodeAt(index));
    if (!space && !insideWord) words += 1;
    insideWord = !space;
  }
  return words;
};

export const TOKENS_PER_ITEM = 4;
export const TOKENS_PER_IMAGE = 85;
export const TOKENS_PER_TOOL = 16;

/**
 * Input tokens: the words of the system prompt and of each text, tool result and arguments text, 4 for
 * every item, 85 for an image or another file, 16 for an offered tool. The same conversation counts the same in every
 * dialect.
 */
export const countInputTokens = (conversation: Conversation): number => {
  let tokens = countWords(conversation.system) + TOKENS_PER_TOOL * conversation.tools.length;
  for (const item of conversation.items) {
    tokens += TOKENS_PER_ITEM;
    if (item.type === 'text' || item.type === 'tool_result') tokens += countWords(item.text);
    else if (item.type !== 'tool_call') tokens += TOKENS_PER_IMAGE;
    else tokens += countWords(JSON.stringify(item.arguments));
  }
  return tokens;
};
