import type { Answer } from '../answer.ts';
import type { Behaviour } from '../behaviour.ts';
import { baseUsage, PLAIN_STYLE, type ChatStyle } from '../openai/chat-style.ts';
import { bearerOf, chatEndpoint, routesBelow } from '../openai/openai.ts';
import { modelsEndpoint } from '../openai/models.ts';
import { readChatRequestAs } from '../openai/request.ts';
import { RefusedRequest } from '../provider.ts';
import type { CallContext, Failure, SimulatedProvider } from '../provider.ts';
import { mistralBatchRoute } from './batches.ts';
import { mistralEmbeddings } from './embeddings.ts';
import { mistralReasoningOf, parseMistralChat } from './request.ts';

const isMistralModel = (model: string): boolean =>
  /^(mistral|ministral|magistral|codestral|devstral|pixtral|open-|sim-)/.test(model);

const ERRORS: Record<number, Pick<Failure, 'type' | 'message' | 'code'>> = {
  400: { type: 'invalid_request_error', message: 'The request is not valid.', code: '3000' },
  401: { type: 'detail', message: 'Invalid API Key', code: null },
  403: { type: 'forbidden', message: 'You cannot perform this action.', code: '1700' },
  404: { type: 'not_found', message: 'Not found', code: '1600' },
  429: { type: 'rate_limited', message: 'Rate limit exceeded', code: '1300' },
  500: { type: 'internal_server_error', message: 'Internal server error', code: '1000' },
  503: { type: 'service_unavailable', message: 'Service unavailable.', code: '1001' },
};

const failureOf = ({ status, limit }: Behaviour & { status: number }, model: string): Failure => {
  if (limit === 'quota')
    return { status: 402, type: 'payment_required', message: 'Your credit is used up.', code: '1500' };
  if (status === 404) return invalidModel(model);
  const known = ERRORS[status] ?? ERRORS[status < 500 ? 400 : 500];
  return { status, type: 'error', message: 'Error.', ...known };
};

const invalidModel = (model: string): Failure => ({
  status: 400,
  type: 'invalid_model',
  message: `Invalid model: ${model}`,
  code: '1500',
});

/** A validation's message is an object, and an authentication error is no error object at all. */
const encodeFailure = (failure: Failure): string => {
  if (failure.type === 'detail') return JSON.stringify({ detail: failure.message });
  const isValidation = failure.status === 422;
  return JSON.stringify({
    object: 'error',
    message: isValidation ? JSON.parse(failure.message) : failure.message,
    type: failure.type,
    param: null,
    code: failure.code ?? null,
    ...(isValidation ? {} : { raw_status_code: failure.status }),
  });
};

const limitHeaders = ({ limits }: CallContext): Record<string, string> => ({
  'x-ratelimit-limit-req-minute': String(limits?.requests?.limit ?? 100),
  'x-ratelimit-remaining-req-minute': String(limits?.requests?.remaining ?? 99),
  'x-ratelimit-limit-tokens-minute': String(limits?.tokens?.limit ?? 100_000),
  'x-ratelimit-remaining-tokens-minute': String(limits?.tokens?.remaining ?? 99_000),
});

const thinkingChunk = (text: string, closed: boolean) => ({
  type: 'thinking',
  thinking: [{ type: 'text', text }],
  ...(closed ? { closed: true } : {}),
});

/** Reasoning is a chunk of the content, and the last chunk of a stream always counts tokens. */
const STYLE: ChatStyle = {
  ...PLAIN_STYLE,
  answerId: (unique) => unique,
  callId: (unique, index) => `${unique.slice(0, 8)}${index}`,
  usage: (input) => ({
    ...baseUsage(input),
    prompt_tokens_details: { cached_tokens: input.answer.tokens.cache_read },
    service_tier: 'standard',
  }),
  message: ({ text, reasoning, calls }) => ({
    role: 'assistant',
    tool_calls: calls.length > 0 ? calls.map((call, index) => ({ ...call, index })) : null,
    content: reasoning === '' ? text : [thinkingChunk(reasoning, true), { type: 'text', text }],
  }),
  reasoningDelta: (piece, { isLast }) => ({ content: [thinkingChunk(piece, isLast)] }),
  finishReason: (answer: Answer) => {
    if (answer.stop.kind === 'length') return 'length';
    return answer.stop.kind === 'tool_calls' ? 'tool_calls' : 'stop';
  },
  streamUsage: 'with_finish',
  wholeCalls: true,
};

const answering = routesBelow(
  '/mistral/v1',
  {
    '/chat/completions': {
      endpoint: chatEndpoint(
        STYLE,
        readChatRequestAs({
          parse: parseMistralChat,
          check: ({ model }) => {
            if (!isMistralModel(model)) throw new RefusedRequest(invalidModel(model));
          },
          reasoningOf: mistralReasoningOf,
        }),
      ),
    },
    '/embeddings': { endpoint: mistralEmbeddings },
  },
  {
    endpoint: modelsEndpoint({
      isOwn: isMistralModel,
      ownedBy: 'mistralai',
      notFound: invalidModel,
      fields: (id) => ({
        name: id,
        capabilities: {
          completion_chat: !id.includes('embed'),
          function_calling: !id.includes('embed'),
          completion_fim: false,
          fine_tuning: false,
          vision: !id.includes('embed'),
        },
        max_context_length: 131_072,
        aliases: [],
        deprecation: null,
        default_model_temperature: 0.3,
        type: 'base',
      }),
    }),
  },
);

/** Mistral: https://docs.mistral.ai/api */
export const simulatedMistral: SimulatedProvider = {
  id: 'mistral',
  routeOf: (call) => answering(call) ?? mistralBatchRoute(call),
  credentialOf: bearerOf,
  keyPrefix: '',
  refuseCredential: () => ({ status: 401, type: 'detail', message: 'Invalid API Key' }),
  newRequestId: (unique) =>
    `${unique.slice(0, 8)}-${unique.slice(8, 12)}-7${unique.slice(13, 16)}-a${unique.slice(17, 20)}-${unique.slice(20, 32)}`,
  answerHeaders: (context) => ({
    'mistral-correlation-id': context.requestId,
    ...limitHeaders(context),
    'x-envoy-upstream-service-time': '42',
  }),
  failureOfLimit: () => failureOf({ status: 429 }, ''),
  failureOf,
  // No `retry-after`: the API sends none.
  failureHeaders: (failure, _, context) => ({
    'mistral-correlation-id': context.requestId,
    ...(failure.status === 429 ? limitHeaders(context) : {}),
  }),
  encodeFailure,
};
