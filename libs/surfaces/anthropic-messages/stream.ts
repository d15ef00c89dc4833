import type { StreamPart } from '#contracts/inference';
import { UNKNOWN_USAGE, type Usage } from '#contracts/usage';
import type { StreamEncoder } from '../surface.ts';
import { encodeStopReason, encodeUsage } from './response.ts';

const event = (body: { type: string } & Record<string, unknown>): string =>
  `event: ${body.type}\ndata: ${JSON.stringify(body)}\n\n`;

type Finish = Extract<StreamPart, { type: 'finish' }>;

/**
 * Events of a streamed message. One content block is open at a time; the stop reason waits for the usage,
 * which other dialects tell after it and this one in the same event.
 */
export const createAnthropicStreamEncoder = (): StreamEncoder => {
  let nextBlock = 0;
  let open: { block: number; toolCall: number | null } | null = null;
  let usage: Usage = UNKNOWN_USAGE;
  let finish: Finish | null = null;

  const closeBlock = (): string => {
    if (open === null) return '';
    const closed = event({ type: 'content_block_stop', index: open.block });
    open = null;
    return closed;
  };

  const openBlock = (toolCall: number | null, contentBlock: object): string => {
    const closed = closeBlock();
    open = { block: nextBlock, toolCall };
    nextBlock += 1;
    return closed + event({ type: 'content_block_start', index: open.block, content_block: contentBlock });
  };

  const delta = (body: object): string =>
    event({ type: 'content_block_delta', index: open?.block ?? 0, delta: body });

  return {
    encode: (part) => {
      switch (part.type) {
        case 'start':
          return event({
            type: 'message_start',
            message: {
              id: part.id,
              type: 'message',
              role: 'assistant',
              model: part.model,
              content: [],
              stop_reason: null,
              stop_sequence: null,
              usage: encodeUsage(usage),
            },
          });
        case 'text_delta': {
          const opened =
            open !== null && open.toolCall === null ? '' : openBlock(null, { type: 'text', text: '' });
          return opened + delta({ type: 'text_delta', text: part.text });
        }
        case 'tool_call_start':
          return openBlock(part.index, { type: 'tool_use', id: part.id, name: part.name, input: {} });
        case 'tool_call_delta':
          // Calls come one after another; a late fragment of an earlier one has no block left to go to.
          return open?.toolCall === part.index
            ? delta({ type: 'input_json_delta', partial_json: part.argumentsDelta })
            : '';
        case 'finish':
          finish = part;
          return closeBlock();
        case 'usage':
          ({ usage } = part);
          return '';
        case 'end':
          return (
            closeBlock() +
            event({
              type: 'message_delta',
              delta: {
                stop_reason: encodeStopReason(finish?.reason ?? 'stop'),
                stop_sequence: finish?.stopSequence ?? null,
              },
              usage: encodeUsage(usage),
            }) +
            event({ type: 'message_stop' })
          );
      }
    },
  };
};
