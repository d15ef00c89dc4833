import type { StreamPart } from '#contracts/inference';
import { UNKNOWN_USAGE, type Usage } from '#contracts/usage';
import { countOf, isObject, objectOf, parseObject, textOf, type JsonObject } from '../json-fields.ts';
import type { DecodedEvent, StreamDecoder } from '../provider.ts';
import { decodeAnthropicStreamError } from './failure.ts';
import { decodeStopReason } from './response.ts';
import { readAnthropicUsage } from './usage.ts';

const QUIET: DecodedEvent = { parts: [], content: false, hidden: false };
const SEEN: DecodedEvent = { parts: [], content: true, hidden: false };

/** Blocks in which tools are called; those of the provider's own tools are no calls for the client. */
const CLIENT_TOOL = 'tool_use';

/**
 * Reads the events of a streamed message. `message_start` carries what went in, `message_delta` the
 * running totals, field by field over what was said before.
 */
export const createAnthropicStreamDecoder = (): StreamDecoder => {
  let id: string | null = null;
  let model: string | null = null;
  let finishReason: string | null = null;
  let rawUsage: JsonObject = {};
  let usage: Usage = UNKNOWN_USAGE;
  /** Position of a content block → position among the tool calls. */
  const toolCalls = new Map<number, number>();

  const mergeUsage = (value: unknown, source: 'provider' | 'provider_partial'): StreamPart[] => {
    if (!isObject(value)) return [];
    const said = Object.entries(value).filter(([, field]) => field !== null);
    rawUsage = { ...rawUsage, ...Object.fromEntries(said) };
    usage = readAnthropicUsage(rawUsage, source);
    return [{ type: 'usage', usage }];
  };

  const startMessage = (message: JsonObject): DecodedEvent => {
    // Some compatible servers begin twice; the first id stays.
    const isFirst = id === null;
    id ??= textOf(message['id']);
    model ??= textOf(message['model']);
    const parts: StreamPart[] = isFirst && id !== null ? [{ type: 'start', id, model: model ?? '' }] : [];
    return { ...QUIET, parts: [...parts, ...mergeUsage(message['usage'], 'provider_partial')] };
  };

  const startBlock = (event: JsonObject): DecodedEvent => {
    const block = objectOf(event['content_block']);
    const position = countOf(event['index']) ?? 0;
    switch (block['type']) {
      case 'text': {
        const text = textOf(block['text']) ?? '';
        return text === '' ? QUIET : { ...SEEN, parts: [{ type: 'text_delta', text }] };
      }
      case 'thinking':
        return QUIET;
      case CLIENT_TOOL: {
        const index = toolCalls.size;
        toolCalls.set(position, index);
        const start = { index, id: textOf(block['id']) ?? '', name: textOf(block['name']) ?? '' };
        return { ...SEEN, parts: [{ type: 'tool_call_start', ...start }] };
      }
      default:
        return SEEN;
    }
  };

  const continueBlock = (event: JsonObject): DecodedEvent => {
    const delta = objectOf(event['delta']);
    const index = toolCalls.get(countOf(event['index']) ?? 0);
    switch (delta['type']) {
      case 'text_delta':
        return { ...SEEN, parts: [{ type: 'text_delta', text: textOf(delta['text']) ?? '' }] };
      case 'input_json_delta': {
        const argumentsDelta = textOf(delta['partial_json']) ?? '';
        if (index === undefined || argumentsDelta === '') return SEEN;
        return { ...SEEN, parts: [{ type: 'tool_call_delta', index, argumentsDelta }] };
      }
      default:
        return SEEN;
    }
  };

  const changeMessage = (event: JsonObject): DecodedEvent => {
    const delta = objectOf(event['delta']);
    const reason = textOf(delta['stop_reason']);
    const parts: StreamPart[] = [];
    if (reason !== null) {
      finishReason = reason;
      const stopSequence = textOf(delta['stop_sequence']);
      parts.push({
        type: 'finish',
        reason: decodeStopReason(reason),
        ...(stopSequence !== null && { stopSequence }),
      });
    }
    return { ...QUIET, parts: [...parts, ...mergeUsage(event['usage'], 'provider')] };
  };

  return {
    decode: ({ data }) => {
      if (data === '') return QUIET;
      const event = parseObject(data);
      switch (event['type']) {
        case 'message_start':
          return startMessage(objectOf(event['message']));
        case 'content_block_start':
          return startBlock(event);
        case 'content_block_delta':
          return continueBlock(event);
        case 'message_delta':
          return changeMessage(event);
        case 'message_stop':
          return { ...QUIET, parts: [{ type: 'end' }] };
        case 'error':
          throw decodeAnthropicStreamError(event['error']);
        default:
          return QUIET;
      }
    },
    facts: () => ({ id, model, finishReason, usage }),
  };
};
