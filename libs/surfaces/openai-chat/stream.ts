import type { StreamPart, TokenLogprob } from '#contracts/inference';
import type { Usage } from '#contracts/usage';
import { isObject } from '../field-reader.ts';
import { encodeLogprobs, encodeUrlCitation } from '../openai/options.ts';
import type { EncodeContext, StreamEncoder } from '../surface.ts';
import { encodeDetail } from './reasoning.ts';
import { createdSeconds, encodeCallSeal, encodeFinishReason, encodeTier, encodeUsage } from './response.ts';

const wantsUsage = (body: unknown): boolean =>
  isObject(body) && isObject(body['stream_options']) && body['stream_options']['include_usage'] === true;

/** Chunks of `chat.completion.chunk`; the usage comes last and only where it was asked for. */
export const createOpenaiStreamEncoder = (body: unknown, context: EncodeContext): StreamEncoder => {
  const includeUsage = wantsUsage(body);
  const created = createdSeconds(context);
  let id = '';
  let model = '';
  let usage: Usage | null = null;
  /** Of the text that comes next. */
  let logprobs: TokenLogprob[] = [];
  let detailCount = 0;

  const chunk = (choices: readonly object[], ending: object | null = null): string =>
    `data: ${JSON.stringify({
      id,
      object: 'chat.completion.chunk',
      created,
      model,
      choices,
      ...(includeUsage && { usage: null }),
      ...ending,
    })}\n\n`;

  const choice = (delta: object, finishReason: string | null = null): string => {
    const tokens = logprobs;
    logprobs = [];
    const encoded = tokens.length === 0 ? null : { content: encodeLogprobs(tokens), refusal: null };
    return chunk([{ index: 0, delta, logprobs: encoded, finish_reason: finishReason }]);
  };

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
          return choice({ reasoning_content: part.text });
        case 'reasoning_seal': {
          const detail = encodeDetail({ type: 'reasoning', text: '', seal: part.seal });
          const index = detailCount;
          detailCount += 1;
          return choice({ reasoning_details: [{ ...detail, index }] });
        }
        case 'citation': {
          const encoded = encodeUrlCitation(part.citation);
          if (encoded === null) return '';
          return choice({ annotations: [{ type: 'url_citation', url_citation: encoded }] });
        }
        case 'logprobs':
          logprobs.push(...part.tokens);
          return '';
        case 'tool_call_start': {
          const call = { name: part.name, arguments: '' };
          return choice({
            tool_calls: [
              {
                index: part.index,
                id: part.id,
                type: 'function',
                function: call,
                ...encodeCallSeal(part.seal),
              },
            ],
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
        case 'end': {
          const ending =
            includeUsage && usage !== null && usage.source !== 'none'
              ? chunk([], { ...encodeTier(usage), usage: encodeUsage(usage) })
              : '';
          return `${ending}data: [DONE]\n\n`;
        }
      }
    },
  };
};
