import type { FinishReason, StreamPart } from '#contracts/inference';
import { UNKNOWN_USAGE, type Usage } from '#contracts/usage';
import { goesBack, type StreamEncoder } from '../surface.ts';
import { encodeStopReason, encodeUsage } from './response.ts';

const eventText = (type: string, fields: object): string =>
  `event: ${type}\ndata: ${JSON.stringify({ type, ...fields })}\n\n`;

type Part<Type extends StreamPart['type']> = Extract<StreamPart, { type: Type }>;

/**
 * Writes a message as events: one block after the other, and everything about the end at the end, since
 * other dialects tell of usage after the reason. The start waits for the next part but usage, which it
 * carries.
 */
export const createAnthropicStreamEncoder = (): StreamEncoder => {
  let start: Part<'start'> | null = null;
  let usage: Usage = UNKNOWN_USAGE;
  let finishReason: FinishReason = 'stop';
  let stopSequence: string | null = null;
  let blockCount = 0;
  /** What is being written: a text, or the call of this index. */
  let open: 'text' | number | null = null;

  const startMessage = (): string => {
    if (start === null) return '';
    const { id, model } = start;
    start = null;
    return eventText('message_start', {
      message: {
        id,
        type: 'message',
        role: 'assistant',
        model,
        content: [],
        stop_reason: null,
        stop_sequence: null,
        usage: encodeUsage(usage),
      },
    });
  };

  const stopBlock = (): string => {
    if (open === null) return '';
    open = null;
    return eventText('content_block_stop', { index: blockCount - 1 });
  };

  const startBlock = (what: 'text' | number, block: object): string => {
    const stopped = stopBlock();
    open = what;
    blockCount += 1;
    return stopped + eventText('content_block_start', { index: blockCount - 1, content_block: block });
  };

  const delta = (change: object): string =>
    eventText('content_block_delta', { index: blockCount - 1, delta: change });

  const encodeText = (text: string): string => {
    if (text === '') return '';
    const started = open === 'text' ? '' : startBlock('text', { type: 'text', text: '' });
    return started + delta({ type: 'text_delta', text });
  };

  const encodeToolDelta = ({ index, argumentsDelta }: Part<'tool_call_delta'>): string => {
    if (open !== index) throw goesBack();
    return delta({ type: 'input_json_delta', partial_json: argumentsDelta });
  };

  const encodeEnd = (): string =>
    stopBlock() +
    eventText('message_delta', {
      delta: { stop_reason: encodeStopReason(finishReason), stop_sequence: stopSequence },
      usage: encodeUsage(usage),
    }) +
    eventText('message_stop', {});

  const encodeAfterStart = (part: Exclude<StreamPart, { type: 'start' | 'usage' }>): string => {
    switch (part.type) {
      case 'text_delta':
      case 'refusal_delta':
        return encodeText(part.text);
      case 'reasoning_delta':
      case 'reasoning_seal':
      case 'citation':
      case 'logprobs':
        return '';
      case 'tool_call_start':
        return startBlock(part.index, { type: 'tool_use', id: part.id, name: part.name, input: {} });
      case 'tool_call_delta':
        return encodeToolDelta(part);
      case 'finish':
        finishReason = part.reason;
        stopSequence = part.stopSequence ?? null;
        return stopBlock();
      case 'end':
        return encodeEnd();
    }
  };

  return {
    encode: (part) => {
      if (part.type === 'start') start = part;
      else if (part.type === 'usage') ({ usage } = part);
      else return startMessage() + encodeAfterStart(part);
      return '';
    },
  };
};
