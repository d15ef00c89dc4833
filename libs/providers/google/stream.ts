import type { FinishReason, StreamPart } from '#contracts/inference';
import { UNKNOWN_USAGE, type Usage } from '#contracts/usage';
import { FloError } from '#domain/errors';
import type { VaryingMembers } from '../event-shape.ts';
import { isObject, parseObject, textOf, type JsonObject } from '../json-fields.ts';
import type { AnswerFacts, DecodedEvent, StreamDecoder } from '../provider.ts';
import {
  countSearches,
  decodeFinishReason,
  decodePart,
  firstCandidate,
  isBlocked,
  partsOf,
  placeCitation,
  readCitations,
  readLogprobs,
} from './answer.ts';
import { decodeGeminiError, hasFailed } from './failure.ts';
import { readGeminiUsage } from './usage.ts';

/** Each piece counts all tokens so far. */
export const GEMINI_VARYING: VaryingMembers = {
  texts: new Set(['text']),
  counts: new Set([
    'promptTokenCount',
    'candidatesTokenCount',
    'thoughtsTokenCount',
    'totalTokenCount',
    'tokenCount',
  ]),
};

const CALLS_MAX = 1_000;
const NOTHING: DecodedEvent = { parts: [], content: false, hidden: false };

const isVisible = (part: JsonObject): boolean =>
  (textOf(part['text']) ?? '') !== '' ||
  Object.keys(part).some((name) => name !== 'text' && name !== 'thought' && name !== 'thoughtSignature');

/**
 * Reads the responses of `streamGenerateContent`. Every one of them may tell a reason to finish and the
 * usage so far: those of the last count. The stream has no mark of its end; it is whole where it ends in
 * good order after a reason.
 */
class GeminiStream implements StreamDecoder {
  #id: string | null = null;
  #model: string | null = null;
  #finishReason: FinishReason | null = null;
  #usage: Usage = UNKNOWN_USAGE;
  #started = false;
  #callCount = 0;
  /** What citations point into: the text since the last call, and the bytes before it. */
  #text = '';
  #bytesBefore = 0;
  #searches: { serverToolCalls?: Record<string, number> } = {};

  decode({ data }: { data: string }): DecodedEvent {
    if (data === '') return NOTHING;
    const answer = parseObject(data);
    if (hasFailed(answer)) throw decodeGeminiError(answer);
    this.#id ??= textOf(answer['responseId']);
    this.#model ??= textOf(answer['modelVersion']);
    const candidate = firstCandidate(answer);
    const parts = this.#start();
    for (const part of partsOf(candidate)) parts.push(...this.#decodePart(part));
    const logprobs = readLogprobs(candidate);
    // The dialects tell them before the text they are of.
    if (logprobs.length > 0)
      parts.splice(parts[0]?.type === 'start' ? 1 : 0, 0, { type: 'logprobs', tokens: logprobs });
    for (const each of readCitations(candidate)) {
      parts.push({ type: 'citation', citation: placeCitation(each, this.#text, this.#bytesBefore) });
    }
    if (isBlocked(answer)) this.#finishReason = 'content_filter';
    this.#finishReason = decodeFinishReason(candidate?.['finishReason']) ?? this.#finishReason;
    this.#searches = { ...this.#searches, ...countSearches(candidate) };
    if (isObject(answer['usageMetadata'])) {
      this.#usage = readGeminiUsage(answer['usageMetadata'], 'provider_partial');
    }
    return { parts, content: partsOf(candidate).some(isVisible), hidden: false };
  }

  finish(): DecodedEvent {
    const { finishReason } = this.facts();
    if (finishReason === null) return NOTHING;
    if (this.#usage.source !== 'none') this.#usage = { ...this.#usage, source: 'provider' };
    const { usage } = this.facts();
    return {
      parts: [
        { type: 'finish', reason: finishReason },
        ...(usage.source === 'none' ? [] : [{ type: 'usage' as const, usage }]),
        { type: 'end' },
      ],
      content: false,
      hidden: false,
    };
  }

  facts(): AnswerFacts {
    const calls = this.#callCount > 0 && this.#finishReason === 'stop';
    return {
      id: this.#id,
      model: this.#model,
      finishReason: calls ? 'tool_calls' : this.#finishReason,
      usage: { ...this.#usage, ...this.#searches },
    };
  }

  #start(): StreamPart[] {
    if (this.#started) return [];
    this.#started = true;
    return [{ type: 'start', id: this.#id ?? '', model: this.#model ?? '' }];
  }

  #decodePart(part: JsonObject): StreamPart[] {
    return decodePart(part, { id: this.#id, callIndex: this.#callCount }).flatMap((decoded): StreamPart[] => {
      switch (decoded.type) {
        case 'text':
          this.#text += decoded.text;
          return [{ type: 'text_delta', text: decoded.text }];
        case 'reasoning':
          return [
            ...(decoded.text === '' ? [] : [{ type: 'reasoning_delta' as const, text: decoded.text }]),
            ...(decoded.seal === undefined ? [] : [{ type: 'reasoning_seal' as const, seal: decoded.seal }]),
          ];
        case 'tool_call': {
          if (this.#callCount >= CALLS_MAX) {
            throw new FloError('malformed_answer', "The provider's answer makes tool calls without end.");
          }
          const { id, name, seal, argumentsJson } = decoded;
          const index = this.#callCount;
          this.#callCount += 1;
          this.#bytesBefore += Buffer.byteLength(this.#text);
          this.#text = '';
          return [
            { type: 'tool_call_start', index, id, name, ...(seal !== undefined && { seal }) },
            { type: 'tool_call_delta', index, argumentsDelta: argumentsJson },
          ];
        }
      }
    });
  }
}

export const createGeminiStreamDecoder = (): StreamDecoder => {
  const stream = new GeminiStream();
  return {
    decode: (event) => stream.decode(event),
    finish: () => stream.finish(),
    facts: () => stream.facts(),
  };
};
