import type { StreamPart } from '#contracts/inference';
import type { Usage } from '#contracts/usage';
import { isObject } from '../field-reader.ts';
import type { EncodeContext, StreamEncoder } from '../surface.ts';
import { createdSeconds, encodeFinishReason, encodeUsage } from './response.ts';

const wantsUsage = (body: unknown): boolean =>
  isObject(body) && isObject(body['stream_options']) && body['stream_options']['include_usage'] === true;

/** Chunks of `chat.completion.chunk`; the usage comes last and only where it was asked for. */
export const createOpenaiStreamEncoder = (body: unknown, context: EncodeContext): StreamEncoder => {
  const includeUsage = wantsUsage(body);
  const created = createdSeconds(context);
  let id = '';
  let model = '';
  let usage: Usage | null = null;

  const chunk = (choices: readonly object[], chunkUsage: object | null = null): string =>
    `data: ${JSON.stringify({
      id,
      object: 'chat.completion.chunk',
      created,
      model,
      choices,
      ...(includeUsage && { usage: chunkUsage }),
    })}\n\n`;

  const choice = (delta: object, finishReason: string | null = null): string =>
    chunk([{ index: 0, delta, logprobs: null, finish_reason: finishReason }]);

  return {
    encode: (part: StreamPart): string => {
      switch (part.type) {
        case 'start':
          ({ id, model } = part);
          return choice({ role: 'assistant', content: '', refusal: null });
        case 'text_delta':
          return choice({ content: part.text });
        case 'refusal_delta':
          return choice({ refusal: part.text });
        case 'reasoning_delta':
        case 'reasoning_seal':
        case 'citation':
        case 'logprobs':
          return '';
        case 'tool_call_start': {
          const call = { name: part.name, arguments: '' };
          return choice({
            tool_calls: [{ index: part.index, id: part.id, type: 'function', function: call }],
          });
        }
        case 'tool_call_delta':
          return choice({
            tool_calls: [{ index: part.index, function: { arguments: part.argumentsDelta } }],
          });
        case 'finish':
          return choice({}, encodeFinishReason(part.reason));
        case 'usage':
          ({ usage } = part);
          return '';
        case 'end':
          return `${includeUsage && usage !== null ? chunk([], encodeUsage(usage)) : ''}data: [DONE]\n\n`;
      }
    },
  };
};
