import type { FinishReason, StreamPart } from '#contracts/inference';
import { FloError } from '#domain/errors';
import type { VaryingMembers } from '../event-shape.ts';
import { countOf, isObject, objectOf, parseObject, textOf, type JsonObject } from '../json-fields.ts';
import type { DecodedEvent, StreamDecoder } from '../provider.ts';
import { decodeCitation, redactedOf, signatureOf } from './blocks.ts';
import { decodeAnthropicError } from './failure.ts';
import { decodeStopReason } from './response.ts';
import { mergeAnthropicUsage, readAnthropicUsage } from './usage.ts';

export const ANTHROPIC_VARYING: VaryingMembers = {
  texts: new Set(['text', 'thinking', 'partial_json']),
  counts: new Set(),
};

/** A tool call that is being written: its place among the calls, and whether it has arguments yet. */
type OpenCall = { index: number; hasArguments: boolean };

const OPEN_CALLS_MAX = 1_000;

const NOTHING: DecodedEvent = { parts: [], content: false, hidden: false };

const seen = (...parts: StreamPart[]): DecodedEvent => ({ parts, content: true, hidden: false });
const unseen = (...parts: StreamPart[]): DecodedEvent => ({ parts, content: false, hidden: false });

/** Reads the events of a streamed message. Events and blocks it does not know pass without parts. */
export const createAnthropicStreamDecoder = (): StreamDecoder => {
  let id: string | null = null;
  let model: string | null = null;
  let finishReason: FinishReason | null = null;
  let rawUsage: JsonObject = {};
  let usageIsFinal = false;
  let callCount = 0;
  const openCalls = new Map<number, OpenCall>();

  const readUsage = () => readAnthropicUsage(rawUsage, usageIsFinal ? 'provider' : 'provider_partial');

  const usageParts = (value: unknown): StreamPart[] => {
    if (!isObject(value)) return [];
    rawUsage = mergeAnthropicUsage(rawUsage, value);
    return [{ type: 'usage', usage: readUsage() }];
  };

  const startMessage = (message: JsonObject): DecodedEvent => {
    const isRepeated = id !== null;
    id ??= textOf(message['id']) ?? '';
    model ??= textOf(message['model']);
    const start: StreamPart[] = isRepeated ? [] : [{ type: 'start', id, model: model ?? '' }];
    return unseen(...start, ...usageParts(message['usage']));
  };

  const startBlock = (position: number, block: JsonObject): DecodedEvent => {
    const type = textOf(block['type']) ?? '';
    if (type === 'text') {
      const text = textOf(block['text']) ?? '';
      return text === '' ? NOTHING : seen({ type: 'text_delta', text });
    }
    if (type === 'redacted_thinking') return seen({ type: 'reasoning_seal', seal: redactedOf(block) });
    // Others are tools that the provider runs itself.
    if (type !== 'tool_use') return type.includes('tool') ? seen() : NOTHING;
    if (openCalls.size >= OPEN_CALLS_MAX) {
      throw new FloError('malformed_answer', "The provider's answer opens tool calls without end.");
    }
    const index = callCount;
    callCount += 1;
    openCalls.set(position, { index, hasArguments: false });
    const callId = textOf(block['id']) ?? '';
    return seen({ type: 'tool_call_start', index, id: callId, name: textOf(block['name']) ?? '' });
  };

  const continueBlock = (position: number, delta: JsonObject): DecodedEvent => {
    switch (delta['type']) {
      case 'text_delta': {
        const text = textOf(delta['text']) ?? '';
        return text === '' ? NOTHING : seen({ type: 'text_delta', text });
      }
      case 'thinking_delta': {
        const text = textOf(delta['thinking']) ?? '';
        return text === '' ? NOTHING : seen({ type: 'reasoning_delta', text });
      }
      case 'signature_delta': {
        const seal = signatureOf(delta['signature']);
        return seal === null ? NOTHING : unseen({ type: 'reasoning_seal', seal });
      }
      case 'citations_delta':
        return unseen(
          ...decodeCitation(delta['citation']).map((citation): StreamPart => ({
            type: 'citation',
            citation,
          })),
        );
      case 'input_json_delta': {
        const call = openCalls.get(position);
        const argumentsDelta = textOf(delta['partial_json']) ?? '';
        if (call === undefined || argumentsDelta === '') return seen();
        call.hasArguments = true;
        return seen({ type: 'tool_call_delta', index: call.index, argumentsDelta });
      }
      default:
        return NOTHING;
    }
  };

  /** A call without arguments has the empty object as its input, and says so nowhere. */
  const stopBlock = (position: number): DecodedEvent => {
    const call = openCalls.get(position);
    openCalls.delete(position);
    if (call === undefined || call.hasArguments) return NOTHING;
    return seen({ type: 'tool_call_delta', index: call.index, argumentsDelta: '{}' });
  };

  const changeMessage = (event: JsonObject): DecodedEvent => {
    const delta = objectOf(event['delta']);
    usageIsFinal ||= isObject(event['usage']);
    const parts: StreamPart[] = [];
    const stopReason = textOf(delta['stop_reason']);
    if (stopReason !== null && finishReason === null) {
      finishReason = decodeStopReason(stopReason);
      const stopSequence = textOf(delta['stop_sequence']);
      parts.push({ type: 'finish', reason: finishReason, ...(stopSequence !== null && { stopSequence }) });
    }
    return unseen(...parts, ...usageParts(event['usage']));
  };

  return {
    decode: ({ data }) => {
      if (data === '') return NOTHING;
      const event = parseObject(data);
      const position = countOf(event['index']) ?? 0;
      switch (event['type']) {
        case 'message_start':
          return startMessage(objectOf(event['message']));
        case 'content_block_start':
          return startBlock(position, objectOf(event['content_block']));
        case 'content_block_delta':
          return continueBlock(position, objectOf(event['delta']));
        case 'content_block_stop':
          return stopBlock(position);
        case 'message_delta':
          return changeMessage(event);
        case 'message_stop':
          return unseen({ type: 'end' });
        case 'error':
          throw decodeAnthropicError(event);
        default:
          return NOTHING;
      }
    },
    facts: () => ({ id, model, finishReason, usage: readUsage() }),
  };
};
