/** What the choices of a chat completion hold, whole or as a delta, of whichever server of the dialect. */
import type { Citation, ReasoningPart, TokenAlternative, TokenLogprob } from '#contracts/inference';
import { countOf, isObject, listOf, numberOf, objectOf, textOf, type JsonObject } from '../json-fields.ts';

/** The text of a `content`, which Mistral also writes as a list of parts. */
export const readText = (content: unknown): string =>
  textOf(content) ??
  listOf(content)
    .map((part) => (objectOf(part)['type'] === 'text' ? (textOf(objectOf(part)['text']) ?? '') : ''))
    .join('');

/** Mistral's parts of thinking, each of which holds parts of text. */
const readThinkingParts = (content: unknown): ReasoningPart[] =>
  listOf(content)
    .map(objectOf)
    .filter(({ type }) => type === 'thinking')
    .map((part) => ({ type: 'reasoning', text: readText(part['thinking']) }));

/**
 * An item of OpenRouter's `reasoning_details`. Its seal is the item as it came, without the text it seals,
 * so that the same item can be sent again.
 */
const readDetail = (value: unknown): ReasoningPart[] => {
  const { text: said, ...item } = objectOf(value);
  const text = textOf(said) ?? textOf(item['summary']) ?? '';
  const sealed = textOf(item['signature']) ?? textOf(item['data']);
  if (sealed === null) return text === '' ? [] : [{ type: 'reasoning', text }];
  const kind = item['type'] === 'reasoning.encrypted' ? 'encrypted' : 'signature';
  return [{ type: 'reasoning', text, seal: { origin: 'openrouter', kind, value: JSON.stringify(item) } }];
};

/** What was thought, from a message or a delta: servers name it in four ways. */
export const readReasoning = (source: JsonObject): ReasoningPart[] => {
  const details = listOf(source['reasoning_details']).flatMap(readDetail);
  if (details.length > 0) return details;
  const text = textOf(source['reasoning_content']) || textOf(source['reasoning']) || '';
  return text === '' ? readThinkingParts(source['content']) : [{ type: 'reasoning', text }];
};

/** `annotations`: where statements come from. */
export const readCitations = (source: JsonObject): Citation[] =>
  listOf(source['annotations']).flatMap((value) => {
    const citation = objectOf(objectOf(value)['url_citation']);
    const url = textOf(citation['url']);
    if (url === null) return [];
    const title = textOf(citation['title']);
    const start = countOf(citation['start_index']);
    const end = countOf(citation['end_index']);
    return [
      {
        url,
        ...(title !== null && { title }),
        ...(start !== null && { start }),
        ...(end !== null && { end }),
      },
    ];
  });

const readAlternative = (value: unknown): TokenAlternative[] => {
  const { token, logprob, bytes } = objectOf(value);
  const number = numberOf(logprob);
  if (typeof token !== 'string' || number === null) return [];
  const isBytes = Array.isArray(bytes) && bytes.every((byte) => countOf(byte) !== null);
  return [{ token, logprob: number, ...(isBytes && { bytes: bytes as number[] }) }];
};

export const readLogprobs = (choice: JsonObject): TokenLogprob[] => {
  const { logprobs } = choice;
  if (!isObject(logprobs)) return [];
  return listOf(logprobs['content']).flatMap((value) =>
    readAlternative(value).map((token) => ({
      ...token,
      alternatives: listOf(objectOf(value)['top_logprobs']).flatMap(readAlternative),
    })),
  );
};
