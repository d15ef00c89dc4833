import type { Citation, FinishReason, Seal, StreamPart } from '#contracts/inference';
import { UNKNOWN_USAGE, type Usage } from '#contracts/usage';
import { NO_SEAL, writeSeal } from '../seal-text.ts';
import { goesBack, type StreamEncoder } from '../surface.ts';
import {
  encodeCallSeal,
  encodeCitations,
  encodeSealAlone,
  encodeStopReason,
  encodeUsage,
} from './response.ts';

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
  /** What is being written: a text, a thought, or the call of this index. */
  let open: 'text' | 'thinking' | number | null = null;
  let thinkingIsSealed = false;

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

  const delta = (change: object): string =>
    eventText('content_block_delta', { index: blockCount - 1, delta: change });

  const stopBlock = (): string => {
    if (open === null) return '';
    // A thought without a seal of its own must have one all the same.
    const unsealed = open === 'thinking' && !thinkingIsSealed;
    const sealed = unsealed ? delta({ type: 'signature_delta', signature: NO_SEAL }) : '';
    open = null;
    return sealed + eventText('content_block_stop', { index: blockCount - 1 });
  };

  const startBlock = (what: 'text' | 'thinking' | number, block: object): string => {
    const stopped = stopBlock();
    open = what;
    blockCount += 1;
    return stopped + eventText('content_block_start', { index: blockCount - 1, content_block: block });
  };

  const encodeText = (text: string): string => {
    if (text === '') return '';
    const started = open === 'text' ? '' : startBlock('text', { type: 'text', text: '' });
    return started + delta({ type: 'text_delta', text });
  };

  const encodeThought = (text: string): string => {
    if (text === '') return '';
    if (open === 'thinking') return delta({ type: 'thinking_delta', thinking: text });
    const started = startBlock('thinking', { type: 'thinking', thinking: '', signature: '' });
    thinkingIsSealed = false;
    return started + delta({ type: 'thinking_delta', thinking: text });
  };

  /** A block that is whole with its start. */
  const wholeBlock = (block: object): string => {
    const stopped = stopBlock();
    blockCount += 1;
    const index = blockCount - 1;
    return (
      stopped +
      eventText('content_block_start', { index, content_block: block }) +
      eventText('content_block_stop', { index })
    );
  };

  const encodeSeal = (seal: Seal): string => {
    if (open !== 'thinking') return wholeBlock(encodeSealAlone(seal));
    thinkingIsSealed = true;
    return delta({ type: 'signature_delta', signature: writeSeal(seal, 'anthropic') }) + stopBlock();
  };

  const encodeCitation = (citation: Citation): string =>
    open === 'text'
      ? encodeCitations([citation])
          .map((encoded) => delta({ type: 'citations_delta', citation: encoded }))
          .join('')
      : '';

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
        return encodeThought(part.text);
      case 'reasoning_seal':
        return encodeSeal(part.seal);
      case 'citation':
        return encodeCitation(part.citation);
      case 'logprobs':
        // No client of the dialect can have asked for them.
        return '';
      case 'tool_call_start': {
        const sealed = part.seal === undefined ? '' : wholeBlock(encodeCallSeal(part.seal, part.id));
        const block = { type: 'tool_use', id: part.id, name: part.name, input: {} };
        return sealed + startBlock(part.index, block);
      }
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
