import type { FinishReason, StreamPart } from '#contracts/inference';
import { UNKNOWN_USAGE, type Usage } from '#contracts/usage';
import { FloError } from '#domain/errors';
import type { VaryingMembers } from '../event-shape.ts';
import { countOf, isObject, listOf, objectOf, parseObject, textOf, type JsonObject } from '../json-fields.ts';
import type { DecodedEvent, StreamDecoder } from '../provider.ts';
import { readCitations, readLogprobs, readReasoning, readText } from './answer-parts.ts';
import { decodeOpenaiError } from './failure.ts';
import { decodeFinishReason } from './response.ts';
import { readOpenaiUsage } from './usage.ts';

const DONE = '[DONE]';
const CALLS_MAX = 1_000;

/** `created` is a clock at some servers; `obfuscation` hides how long a text is. */
export const OPENAI_VARYING: VaryingMembers = {
  texts: new Set(['content', 'reasoning_content', 'reasoning', 'arguments', 'obfuscation']),
  counts: new Set(['created']),
};

/** Most deltas are a piece of text and nothing else: what is not there is not looked for. */
const mayReason = (delta: JsonObject): boolean =>
  typeof delta['content'] !== 'string' ||
  delta['reasoning'] !== undefined ||
  delta['reasoning_content'] !== undefined ||
  delta['reasoning_details'] !== undefined;

/** Whether a delta holds anything that a reader sees, also of choices that become no parts. */
const isVisible = (delta: JsonObject): boolean =>
  readText(delta['content']) !== '' ||
  (textOf(delta['refusal']) ?? '') !== '' ||
  (mayReason(delta) && readReasoning(delta).length > 0) ||
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
  /** The calls as they were begun, by the index they have on the wire. */
  const openCalls = new Map<number, { index: number; id: string }>();
  let callCount = 0;

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

  /** A call begins with its name; some servers give each of several calls the same index, and another id. */
  const decodeToolCall = (value: unknown, position: number): StreamPart[] => {
    const call = objectOf(value);
    const wireIndex = countOf(call['index']) ?? position;
    const fn = objectOf(call['function']);
    const parts: StreamPart[] = [];
    const name = textOf(fn['name']) || null;
    const givenId = textOf(call['id']) || null;
    const begun = openCalls.get(wireIndex);
    const isNew = begun === undefined || (givenId !== null && givenId !== begun.id);
    if (name !== null && isNew) {
      if (callCount >= CALLS_MAX) {
        throw new FloError('malformed_answer', "The provider's answer opens tool calls without end.");
      }
      const opened = { index: callCount, id: givenId ?? `${id ?? 'call'}-${callCount}` };
      callCount += 1;
      openCalls.set(wireIndex, opened);
      parts.push({ type: 'tool_call_start', ...opened, name });
    }
    const open = openCalls.get(wireIndex);
    const argumentsDelta = textOf(fn['arguments']) ?? '';
    if (open !== undefined && argumentsDelta !== '') {
      parts.push({ type: 'tool_call_delta', index: open.index, argumentsDelta });
    }
    return parts;
  };

  const decodeReasoning = (delta: JsonObject): StreamPart[] =>
    readReasoning(delta).flatMap(({ text, seal }): StreamPart[] => [
      ...(text === '' ? [] : [{ type: 'reasoning_delta' as const, text }]),
      ...(seal === undefined ? [] : [{ type: 'reasoning_seal' as const, seal }]),
    ]);

  const decodeChoice = (choice: JsonObject): StreamPart[] => {
    const delta = objectOf(choice['delta']);
    const parts: StreamPart[] = [];
    const refusal = textOf(delta['refusal']) ?? '';
    refused ||= refusal !== '';
    const text = readText(delta['content']);
    const logprobs = readLogprobs(choice);
    if (mayReason(delta)) parts.push(...decodeReasoning(delta));
    if (logprobs.length > 0) parts.push({ type: 'logprobs', tokens: logprobs });
    if (text !== '') parts.push({ type: 'text_delta', text });
    if (delta['annotations'] !== undefined)
      parts.push(...readCitations(delta).map((citation): StreamPart => ({ type: 'citation', citation })));
    if (refusal !== '') parts.push({ type: 'refusal_delta', text: refusal });
    if (delta['tool_calls'] !== undefined) parts.push(...listOf(delta['tool_calls']).flatMap(decodeToolCall));
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
    // Groq tells it twice, and older models of it only in its own place.
    const told = chunk['usage'] ?? objectOf(chunk['x_groq'])['usage'];
    if (isObject(told)) parts.push(...readUsage(told, choices.length === 0 || finishReason !== null));
    const hidden = usageInjected && choices.length === 0 && isObject(chunk['usage']);
    return { parts, content, hidden };
  };

  return {
    decode: ({ data }) => {
      if (data === '') return { parts: [], content: false, hidden: false };
      if (data.trim() === DONE) return end();
      const chunk = parseObject(data);
      const hasFailed = chunk['error'] !== undefined && chunk['error'] !== null;
      // What a failing chunk tells of usage counts all the same.
      const decoded = hasFailed && !isObject(chunk['usage']) ? null : decodeChunk(chunk);
      if (hasFailed || decoded === null) throw decodeOpenaiError(chunk);
      return decoded;
    },
    facts: () => ({ id, model, finishReason, usage }),
  };
};
