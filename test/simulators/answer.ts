import type { Behaviour } from './behaviour.ts';
import type { ChargedTokens } from './call-log.ts';
import { latestItems } from './conversation.ts';
import type { Conversation, ConversationItem, OfferedTool, SeenImage } from './conversation.ts';
import { exampleOf } from './json-example.ts';
import { countInputTokens, splitTokens } from './tokens.ts';

/** Arguments are JSON cut in fragments, as providers stream them; each fragment is a token, the name another. */
export type AnswerToolCall = { name: string; fragments: string[] };

export type AnswerStop =
  | { kind: 'end' | 'length' | 'tool_calls' | 'refusal' }
  | { kind: 'stop_sequence'; sequence: string };

/** What the simulated model says. Each element of `thinking` and `text` is one token. */
export type Answer = {
  thinking: string[];
  text: string[];
  toolCalls: AnswerToolCall[];
  stop: AnswerStop;
  tokens: Required<ChargedTokensOfText>;
};
type ChargedTokensOfText = Pick<
  ChargedTokens,
  'input' | 'cache_read' | 'cache_write_5m' | 'cache_write_1h' | 'cache_write_other' | 'output' | 'reasoning'
>;

/** Tokens of reasoning a model that reasons without showing it is charged for. */
const HIDDEN_REASONING_TOKENS = 64;
const FRAGMENT_LENGTH = 6;
const VOCABULARY =
  'amber birch cedar delta ember fjord grove harbour island juniper kelp lagoon meadow north orchard pine quartz river stone tide umber valley willow yarrow'.split(
    ' ',
  );

/** `count` words that depend on the seed alone, each with a space before it. */
const seededWords = (seed: number, count: number): string[] => {
  const words: string[] = [];
  let state = seed >>> 0;
  for (let index = 0; index < count; index += 1) {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    words.push(` ${VOCABULARY[state % VOCABULARY.length] ?? ''}`);
  }
  return words;
};

const describeImage = (image: SeenImage): string => {
  if (image.url !== null) return image.url;
  const size = image.widthPx === null ? '' : ` ${image.widthPx}x${image.heightPx}`;
  return `${image.mediaType} ${image.bytes} bytes${size}`;
};

/** Everything the model was told, as JSON that is the same for every dialect (ids of tool calls left out). */
const describeRequest = (conversation: Conversation): string => {
  const { system, items, tools, toolChoice, parallelToolCalls, maxOutputTokens, temperature, topP, stop } =
    conversation;
  return JSON.stringify({
    system,
    items: items.map((item) => ('id' in item ? { ...item, id: undefined } : item)),
    tools,
    toolChoice,
    parallelToolCalls,
    maxOutputTokens,
    temperature,
    topP,
    stop,
  });
};

const fragmentsOf = (json: string): string[] => {
  const characters = Array.from(json);
  const fragments: string[] = [];
  for (let index = 0; index < characters.length; index += FRAGMENT_LENGTH)
    fragments.push(characters.slice(index, index + FRAGMENT_LENGTH).join(''));
  return fragments;
};

/** The JSON object after `with`, where the user dictates the arguments. */
const dictatedArguments = (text: string): string | null => {
  const dictated = /\bwith (\{.*\})/s.exec(text)?.[1];
  if (dictated === undefined) return null;
  try {
    JSON.parse(dictated);
    return dictated;
  } catch {
    return null;
  }
};

const chooseTools = (conversation: Conversation, text: string): OfferedTool[] => {
  const { tools, toolChoice } = conversation;
  if (toolChoice === 'none' || tools.length === 0) return [];
  if (typeof toolChoice === 'object') return tools.filter((tool) => tool.name === toolChoice.name);
  const request = /\buse\b(.*)/is.exec(text)?.[1] ?? '';
  const words = new Set(request.match(/[A-Za-z0-9_-]+/g));
  let chosen = tools.filter((tool) => words.has(tool.name));
  if (chosen.length === 1 && /\bin parallel\b/i.test(request)) chosen = [...chosen, ...chosen];
  if (chosen.length === 0 && toolChoice === 'required') chosen = tools.slice(0, 1);
  return conversation.parallelToolCalls ? chosen : chosen.slice(0, 1);
};

type TextItem = Extract<ConversationItem, { type: 'text' }>;
type ToolResultItem = Extract<ConversationItem, { type: 'tool_result' }>;
type ImageItem = Extract<ConversationItem, { type: 'image' }>;

const replyTo = (
  conversation: Conversation,
  latest: ConversationItem[],
  text: string,
  seed: number,
): string => {
  if (conversation.jsonSchema !== null) return JSON.stringify(exampleOf(conversation.jsonSchema));
  if (/describe the request/i.test(text)) return describeRequest(conversation);
  const echo = /\becho: (.*)/is.exec(text)?.[1];
  if (echo !== undefined) return echo;
  const results = latest.filter((item): item is ToolResultItem => item.type === 'tool_result');
  if (results.length > 0)
    return results
      .map((item) => (item.isError ? `The tool failed: ${item.text}` : `The tool answered: ${item.text}`))
      .join('\n');
  const files = conversation.items.filter((item) => item.type === 'document' || item.type === 'audio');
  if (files.length > 0) return `Files seen: ${JSON.stringify(files)}.`;
  const images = conversation.items.filter((item): item is ImageItem => item.type === 'image');
  if (images.length > 0) return `Images seen: ${images.length} (${images.map(describeImage).join(', ')}).`;
  return `You said: ${text.slice(0, 200)}\nAnd I say:${seededWords(seed, 8).join('')}.`;
};

const cutAtStop = (text: string, sequences: string[]): { text: string; stop: AnswerStop } => {
  let cut = { text, stop: { kind: 'end' } as AnswerStop };
  for (const sequence of sequences) {
    const at = cut.text.indexOf(sequence);
    if (at >= 0) cut = { text: cut.text.slice(0, at), stop: { kind: 'stop_sequence', sequence } };
  }
  return cut;
};

type Draft = Pick<Answer, 'thinking' | 'text' | 'toolCalls' | 'stop'> & { hiddenReasoning: number };

const tokensOfCall = (call: AnswerToolCall): number => 1 + call.fragments.length;

/** Tokens the draft costs, hidden reasoning included. */
const countOutputTokens = (draft: Draft): number =>
  draft.toolCalls.reduce(
    (sum, call) => sum + tokensOfCall(call),
    draft.hiddenReasoning + draft.thinking.length + draft.text.length,
  );

/** Reasoning is spent first, then text, then tool calls: the last may be left with half its arguments. */
const limitOutput = (draft: Draft, limit: number | null): Draft => {
  if (limit === null || countOutputTokens(draft) <= limit) return draft;
  let left = limit;
  const take = (count: number): number => {
    const taken = Math.min(left, count);
    left -= taken;
    return taken;
  };
  const hiddenReasoning = take(draft.hiddenReasoning);
  const thinking = draft.thinking.slice(0, take(draft.thinking.length));
  const text = draft.text.slice(0, take(draft.text.length));
  const toolCalls: AnswerToolCall[] = [];
  for (const call of draft.toolCalls) {
    if (left === 0) break;
    take(1);
    toolCalls.push({ name: call.name, fragments: call.fragments.slice(0, take(call.fragments.length)) });
  }
  return { hiddenReasoning, thinking, text, toolCalls, stop: { kind: 'length' } };
};

const draftAnswer = (conversation: Conversation, seed: number, behaviour: Behaviour): Draft => {
  const latest = latestItems(conversation);
  const text = latest
    .filter((item): item is TextItem => item.type === 'text')
    .map((item) => item.text)
    .join('\n');
  const hiddenReasoning = conversation.reasoning === 'hidden' ? HIDDEN_REASONING_TOKENS : 0;
  const thinking =
    conversation.reasoning === 'shown' ? ['Thinking', ...seededWords(seed ^ 0x5bd1e995, 8), '.'] : [];
  const draft: Draft = { hiddenReasoning, thinking, text: [], toolCalls: [], stop: { kind: 'end' } };
  if (behaviour.refuse === true)
    return { ...draft, text: splitTokens('I cannot help with that.'), stop: { kind: 'refusal' } };
  const tools = behaviour.reply === undefined ? chooseTools(conversation, text) : [];
  if (tools.length > 0) {
    const dictated = dictatedArguments(text);
    const toolCalls = tools.map((tool) => ({
      name: tool.name,
      fragments: fragmentsOf(dictated ?? JSON.stringify(exampleOf(tool.schema))),
    }));
    return { ...draft, toolCalls, stop: { kind: 'tool_calls' } };
  }
  if (behaviour.outputTokens !== undefined && behaviour.reply === undefined)
    return { ...draft, text: seededWords(seed, behaviour.outputTokens) };
  const reply = behaviour.reply ?? replyTo(conversation, latest, text, seed);
  const cut = cutAtStop(reply, conversation.stop);
  return { ...draft, text: splitTokens(cut.text), stop: cut.stop };
};

/** The answer to a conversation: the same for the same request body (`seed`) and behaviour. */
export const composeAnswer = (conversation: Conversation, seed: number, behaviour: Behaviour): Answer => {
  const draft = limitOutput(draftAnswer(conversation, seed, behaviour), conversation.maxOutputTokens);
  return {
    thinking: draft.thinking,
    text: draft.text,
    toolCalls: draft.toolCalls,
    stop: draft.stop,
    tokens: {
      input: countInputTokens(conversation),
      cache_read: 0,
      cache_write_5m: 0,
      cache_write_1h: 0,
      cache_write_other: 0,
      output: countOutputTokens(draft),
      reasoning: draft.hiddenReasoning + draft.thinking.length,
      ...dropAbsent(behaviour.tokens),
    },
  };
};

const dropAbsent = (overrides: Behaviour['tokens']): Partial<Answer['tokens']> =>
  Object.fromEntries(Object.entries(overrides ?? {}).filter(([, tokens]) => tokens !== undefined));
