import { z } from 'zod';
import type { Behaviour } from '../behaviour.ts';
import type { Conversation } from '../conversation.ts';
import { baseUsage, PLAIN_STYLE, writtenTokens, type ChatStyle } from '../openai/chat-style.ts';
import { embeddingsEndpoint } from '../openai/embeddings.ts';
import { modelsEndpoint } from '../openai/models.ts';
import { bearerOf, chatEndpoint, routesBelow } from '../openai/openai.ts';
import { readChatRequestAs } from '../openai/request.ts';
import { chatCompletionBody, type ChatCompletionBody as Body } from '../openai/request-schema.ts';
import { readResponsesRequestFor } from '../openai/responses-request.ts';
import { responsesEndpointOf } from '../openai/responses.ts';
import { RefusedRequest } from '../provider.ts';
import type { AnswerToEncode, Failure, PlainEndpoint, SimulatedProvider } from '../provider.ts';
import { sealOf } from '../seal.ts';

const invalid = (message: string, status = 400): Failure => ({ status, type: 'error', message });

const reasoningDetail = z.discriminatedUnion('type', [
  z.looseObject({
    type: z.literal('reasoning.text'),
    text: z.string().nullish(),
    signature: z.string().nullish(),
  }),
  z.looseObject({ type: z.literal('reasoning.summary'), summary: z.string() }),
  z.looseObject({ type: z.literal('reasoning.encrypted'), data: z.string() }),
]);

/** Beside OpenAI's fields; what it does not know it leaves out without a word. */
const ownFields = z.object({
  reasoning: z
    .strictObject({
      effort: z.enum(['none', 'minimal', 'low', 'medium', 'high', 'xhigh', 'max']).nullish(),
      max_tokens: z.int().min(1).nullish(),
      exclude: z.boolean().optional(),
      enabled: z.boolean().nullish(),
    })
    .nullish(),
  include_reasoning: z.boolean().optional(),
  top_k: z.int().min(0).optional(),
  messages: z.array(
    z.looseObject({
      reasoning: z.string().nullish(),
      reasoning_details: z.array(reasoningDetail).nullish(),
    }),
  ),
});

const KNOWN_FIELDS = new Set(Object.keys(chatCompletionBody.shape));

const checkDetails = (details: z.infer<typeof reasoningDetail>[]): void => {
  for (const detail of details)
    if (
      detail.type === 'reasoning.text' &&
      detail.signature &&
      detail.signature !== sealOf(detail.text ?? '')
    )
      throw new RefusedRequest(invalid('Invalid `signature` in `thinking` block'));
};

/** Text parts may carry a mark for the prompt cache, which OpenAI's dialect does not have. */
const withoutCacheMarks = (content: unknown): unknown =>
  Array.isArray(content)
    ? content.map((part: unknown) => {
        const { cache_control: _mark, ...rest } = Object(part) as Record<string, unknown>;
        return rest;
      })
    : content;

/** Its own answers number the calls, and take the numbers back. */
const callsOf = (calls: unknown): object =>
  Array.isArray(calls)
    ? {
        tool_calls: calls.map((call: unknown) => {
          const { index: _index, ...rest } = Object(call) as Record<string, unknown>;
          return rest;
        }),
      }
    : {};

type ParsedBody = Body & { reasoning?: z.infer<typeof ownFields>['reasoning'] };

const parse = (raw: unknown): ParsedBody => {
  const own = ownFields.safeParse(raw);
  if (!own.success) throw new RefusedRequest(invalid(z.prettifyError(own.error)));
  const messages = own.data.messages.map((message) => {
    const { reasoning: _text, reasoning_details: details, reasoning_content: _other, ...rest } = message;
    checkDetails(details ?? []);
    return { ...rest, content: withoutCacheMarks(rest['content']), ...callsOf(rest['tool_calls']) };
  });
  const known = Object.fromEntries(Object.entries(Object(raw)).filter(([name]) => KNOWN_FIELDS.has(name)));
  const body = chatCompletionBody.safeParse({ ...known, messages });
  if (!body.success) throw new RefusedRequest(invalid(z.prettifyError(body.error)));
  return { ...body.data, reasoning: own.data.reasoning };
};

const reasoningOf = (request: ParsedBody): Conversation['reasoning'] => {
  const { reasoning } = request;
  const effort = reasoning?.effort ?? request.reasoning_effort ?? null;
  const isOn =
    reasoning?.enabled === true || (reasoning?.max_tokens ?? null) !== null || (effort ?? 'none') !== 'none';
  if (!isOn) return 'none';
  return reasoning?.exclude === true ? 'hidden' : 'shown';
};

const MICRO_USD_PER_TOKEN = 2;

/** The charge is in dollars, and told with every answer. */
const usage = (input: AnswerToEncode) => {
  const { tokens } = input.answer;
  const totals = baseUsage(input);
  const cost = (totals.total_tokens * MICRO_USD_PER_TOKEN) / 1_000_000;
  return {
    ...totals,
    cost,
    is_byok: false,
    prompt_tokens_details: {
      cached_tokens: tokens.cache_read,
      cache_write_tokens: writtenTokens(input.answer),
      audio_tokens: 0,
      video_tokens: 0,
    },
    cost_details: { upstream_inference_cost: cost },
    completion_tokens_details: { reasoning_tokens: tokens.reasoning, image_tokens: 0, audio_tokens: 0 },
  };
};

const FORMAT = 'anthropic-claude-v1';

const STYLE: ChatStyle = {
  ...PLAIN_STYLE,
  answerId: (unique) => `gen-1777319835-${unique.slice(0, 20)}`,
  usage,
  envelope: () => ({ provider: 'Simulated' }),
  choice: ({ stop }, isLast) => ({ native_finish_reason: isLast ? stop.kind : null }),
  message: ({ text, reasoning, refused, calls }) => ({
    role: 'assistant',
    content: calls.length > 0 || refused ? null : text,
    refusal: refused ? text : null,
    reasoning: reasoning === '' ? null : reasoning,
    ...(reasoning === ''
      ? {}
      : {
          reasoning_details: [
            {
              type: 'reasoning.text',
              text: reasoning,
              signature: sealOf(reasoning),
              format: FORMAT,
              index: 0,
            },
          ],
        }),
    ...(calls.length > 0 ? { tool_calls: calls.map((call, index) => ({ index, ...call })) } : {}),
  }),
  reasoningDelta: (piece, { whole, isLast }) => ({
    role: 'assistant',
    content: '',
    reasoning: piece,
    reasoning_details: [
      {
        type: 'reasoning.text',
        text: piece,
        ...(isLast ? { signature: sealOf(whole) } : {}),
        format: FORMAT,
        index: 0,
      },
    ],
  }),
  openingDelta: () => ({ role: 'assistant', content: '' }),
  streamUsage: 'with_finish',
  preamble: ': OPENROUTER PROCESSING\n\n',
};

const MESSAGES: Record<number, string> = {
  400: 'The request is not valid.',
  401: 'No auth credentials found',
  402: 'Insufficient credits. Add more using https://openrouter.ai/settings/credits',
  403: 'The input was flagged.',
  404: 'No endpoints found for this model.',
  408: 'The request timed out.',
  429: 'Rate limit exceeded: free-models-per-min.',
  502: 'Provider returned error',
  503: 'No instances available',
};

const failureOf = ({ status, limit }: Behaviour & { status: number }): Failure => {
  const shown = limit === 'quota' ? 402 : status;
  return { status: shown, type: 'error', message: MESSAGES[shown] ?? 'Internal Server Error' };
};

const assertOwn = (model: string): void => {
  if (!/^(~?[\w.-]+\/|sim-)/.test(model))
    throw new RefusedRequest(invalid(`${model} is not a valid model ID`));
};

const PREFIX = '/openrouter/api/v1';

/** What a key is told of itself: its list of models is there for everyone. */
const keyEndpoint: PlainEndpoint = {
  operation: 'models',
  readRequest: () => ({
    model: null,
    inputTokens: null,
    encode: () => JSON.stringify({ data: { label: 'simulated', usage: 0, limit: null } }),
  }),
};

const routeBelow = routesBelow(
  PREFIX,
  {
    '/chat/completions': {
      endpoint: {
        ...chatEndpoint(
          STYLE,
          readChatRequestAs({
            parse,
            check: ({ model }) => assertOwn(model),
            reasoningOf,
          }),
        ),
        encodeStreamFailure: () =>
          `data: ${JSON.stringify({ id: 'gen-1', object: 'chat.completion.chunk', error: { code: 502, message: 'Provider returned error' }, choices: [{ index: 0, delta: { content: '' }, finish_reason: 'error' }] })}\n\n`,
      },
    },
    '/responses': {
      endpoint: responsesEndpointOf(
        readResponsesRequestFor({
          assertOwn,
          isReasoning: (model) => /\/(gpt-5|o\d|claude)/.test(model),
          refusesBareReasoning: false,
        }),
      ),
    },
    '/embeddings': { endpoint: embeddingsEndpoint },
  },
  {
    endpoint: modelsEndpoint({
      isOwn: (model) => /^(anthropic|openai|meta-llama)\//.test(model),
      ownedBy: 'openrouter',
      notFound: () => failureOf({ status: 404 }),
      fields: (id) => ({
        name: id,
        context_length: 128_000,
        architecture: { input_modalities: ['text', 'image'], output_modalities: ['text'] },
        pricing: { prompt: '0.000002', completion: '0.000002' },
        supported_parameters: ['tools', 'temperature'],
      }),
    }),
  },
);

/** OpenRouter: https://openrouter.ai/docs/api-reference */
export const simulatedOpenrouter: SimulatedProvider = {
  id: 'openrouter',
  routeOf: (call) =>
    call.method === 'GET' && call.path === `${PREFIX}/key` ? { endpoint: keyEndpoint } : routeBelow(call),
  credentialOf: bearerOf,
  keyPrefix: 'sk-or-',
  refuseCredential: () => failureOf({ status: 401 }),
  newRequestId: (unique) => `gen-${unique}`,
  answerHeaders: () => ({}),
  failureOfLimit: (_, { requests }) => ({
    ...failureOf({ status: 429 }),
    param: JSON.stringify({
      headers: {
        'X-RateLimit-Limit': String(requests?.limit ?? 0),
        'X-RateLimit-Remaining': String(requests?.remaining ?? 0),
        'X-RateLimit-Reset': String(Date.now() + (requests?.resetMs ?? 0)),
      },
    }),
  }),
  failureOf,
  failureHeaders: (failure, _, { limits }) =>
    failure.status === 429 && limits !== null
      ? {
          'x-ratelimit-limit': String(limits.requests?.limit ?? 0),
          'x-ratelimit-remaining': '0',
          'x-ratelimit-reset': String(Date.now() + (limits.requests?.resetMs ?? 0)),
        }
      : {},
  encodeFailure: ({ status, message, param }) =>
    JSON.stringify({
      error: {
        message,
        code: status,
        ...(typeof param === 'string' && param.startsWith('{') ? { metadata: JSON.parse(param) } : {}),
      },
    }),
};
