import type { FinishReason, StreamPart } from '#contracts/inference';
import { UNKNOWN_USAGE, type Usage } from '#contracts/usage';
import { countOf, isObject, listOf, objectOf, parseObject, textOf, type JsonObject } from '../json-fields.ts';
import type { DecodedEvent, StreamDecoder } from '../provider.ts';
import { decodeOpenaiError } from './failure.ts';
import { decodeFinishReason } from './response.ts';
import { readOpenaiUsage } from './usage.ts';

const DONE = '[DONE]';
/** Fields of a delta that a reader sees. Compatible servers name reasoning in two ways. */
const VISIBLE_TEXTS = ['content', 'refusal', 'reasoning', 'reasoning_content'];

const isVisible = (delta: JsonObject): boolean =>
  VISIBLE_TEXTS.some((field) => (textOf(delta[field]) ?? '') !== '') ||
  listOf(delta['tool_calls']).length > 0 ||
  isObject(delta['function_call']) ||
  isObject(delta['audio']);

/** Reads the chunks of `chat.completion.chunk`. Of several choices only the first becomes parts. */
export const createOpenaiStreamDecoder = ({ usageInjected }: { usageInjected: boolean }): StreamDecoder => {
  let id: string | null = null;
  let model: string | null = null;
  let finishReason: FinishReason | null = null;
  let serviceTier: unknown;
  let usage: Usage = UNKNOWN_USAGE;
  let started = false;
  let refused = false;
  const startedCalls = new Set<number>();

  /** Once: some servers name the answer only in its second chunk. */
  const start = (): StreamPart[] => {
    if (started) return [];
    started = true;
    return [{ type: 'start', id: id ?? '', model: model ?? '' }];
  };

  /** Some servers count on every chunk; only the figure that comes with the end or after it is final. */
  const readUsage = (value: JsonObject, isFinal: boolean): StreamPart[] => {
    usage = readOpenaiUsage(value, { source: isFinal ? 'provider' : 'provider_partial', serviceTier });
    return [{ type: 'usage', usage }];
  };

  const end = (): DecodedEvent => {
    if (usage.source === 'provider_partial') usage = { ...usage, source: 'provider' };
    return { parts: [{ type: 'end' }], content: false, hidden: false };
  };

  const decodeToolCall = (value: unknown, position: number): StreamPart[] => {
    const call = objectOf(value);
    const index = countOf(call['index']) ?? position;
    const fn = objectOf(call['function']);
    const parts: StreamPart[] = [];
    const name = textOf(fn['name']);
    if (!startedCalls.has(index) && name !== null) {
      startedCalls.add(index);
      parts.push({
        type: 'tool_call_start',
        index,
        id: textOf(call['id']) || `${id ?? 'call'}-${index}`,
        name,
      });
    }
    const argumentsDelta = textOf(fn['arguments']) ?? '';
    if (argumentsDelta !== '') parts.push({ type: 'tool_call_delta', index, argumentsDelta });
    return parts;
  };

  const decodeChoice = (choice: JsonObject): StreamPart[] => {
    const delta = objectOf(choice['delta']);
    const parts: StreamPart[] = [];
    const refusal = textOf(delta['refusal']) ?? '';
    refused ||= refusal !== '';
    const text = textOf(delta['content']) ?? '';
    if (text !== '') parts.push({ type: 'text_delta', text });
    if (refusal !== '') parts.push({ type: 'refusal_delta', text: refusal });
    parts.push(...listOf(delta['tool_calls']).flatMap(decodeToolCall));
    const reason = textOf(choice['finish_reason']);
    if (reason !== null) {
      finishReason = refused ? 'content_filter' : decodeFinishReason(reason);
      parts.push({ type: 'finish', reason: finishReason });
    }
    return parts;
  };

  const decodeChunk = (chunk: JsonObject): DecodedEvent => {
    id ??= textOf(chunk['id']) || null;
    model ??= textOf(chunk['model']) || null;
    serviceTier = chunk['service_tier'] ?? serviceTier;
    const choices = listOf(chunk['choices']).map(objectOf);
    const parts = choices.length > 0 ? start() : [];
    const content = choices.some((choice) => isVisible(objectOf(choice['delta'])));
    for (const choice of choices) {
      if ((countOf(choice['index']) ?? 0) === 0) parts.push(...decodeChoice(choice));
    }
    if (isObject(chunk['usage'])) {
      parts.push(...readUsage(chunk['usage'], choices.length === 0 || finishReason !== null));
    }
    const hidden = usageInjected && choices.length === 0 && isObject(chunk['usage']);
    return { parts, content, hidden };
  };

  return {
    decode: ({ data }) => {
      if (data === '') return { parts: [], content: false, hidden: false };
      if (data.trim() === DONE) return end();
      const chunk = parseObject(data);
      if (chunk['error'] !== undefined && chunk['error'] !== null) {
        throw decodeOpenaiError(chunk['error']);
      }
      return decodeChunk(chunk);
    },
    facts: () => ({ id, model, finishReason, usage }),
  };
};
