import { z } from 'zod';
import type { Conversation } from '../conversation.ts';
import { batchRoutesBelow } from '../openai/batches.ts';
import { baseUsage, PLAIN_STYLE, type ChatStyle } from '../openai/chat-style.ts';
import {
  encodeOpenaiFailure,
  openaiFailureHeaders,
  openaiFailureOf,
  openaiFailureOfLimit,
  openaiLimitHeaders,
} from '../openai/failures.ts';
import { modelsEndpoint } from '../openai/models.ts';
import { bearerOf, chatEndpoint, routesBelow } from '../openai/openai.ts';
import { readChatRequestAs, withoutReasoning } from '../openai/request.ts';
import { refusalOfIssue } from '../openai/request-refusal.ts';
import { chatCompletionBody, type ChatCompletionBody as Body } from '../openai/request-schema.ts';
import { RefusedRequest } from '../provider.ts';
import type { AnswerToEncode, Failure, SimulatedProvider } from '../provider.ts';
import { GROQ_BATCHES } from './batches.ts';

const loose = z.unknown().optional();

/** What the API documents as unsupported is no field here. */
const groqBody = chatCompletionBody
  .omit({
    logprobs: true,
    top_logprobs: true,
    logit_bias: true,
    modalities: true,
    audio: true,
    prediction: true,
    verbosity: true,
    web_search_options: true,
    prompt_cache_key: true,
    prompt_cache_retention: true,
    safety_identifier: true,
  })
  .extend({
    n: z.literal(1).nullish(),
    reasoning_effort: z.enum(['none', 'default', 'low', 'medium', 'high']).nullish(),
    reasoning_format: z.enum(['hidden', 'raw', 'parsed']).nullish(),
    include_reasoning: z.boolean().nullish(),
    service_tier: z.enum(['auto', 'on_demand', 'flex', 'performance']).nullish(),
    documents: loose,
    search_settings: loose,
    compound_custom: loose,
    citation_options: loose,
    disable_tool_validation: loose,
    exclude_domains: loose,
    include_domains: loose,
  });

const invalid = (message: string): Failure => ({ status: 400, type: 'invalid_request_error', message });

const parse = (raw: unknown): Body & { reasoning_format?: unknown; include_reasoning?: unknown } => {
  const body: Record<string, unknown> = Object(raw);
  const parsed = groqBody.safeParse({ ...body, messages: withoutReasoning(body['messages']) });
  if (!parsed.success) {
    const [issue] = parsed.error.issues;
    throw new RefusedRequest(
      issue?.code === 'unrecognized_keys' && issue.path.length === 0
        ? invalid(`property '${issue.keys[0] ?? ''}' is unsupported`)
        : refusalOfIssue(parsed.error.issues, raw),
    );
  }
  const { reasoning_effort: effort, service_tier: _tier, ...rest } = parsed.data;
  return { ...rest, reasoning_effort: effort === 'default' ? 'medium' : effort };
};

const reasons = (model: string): boolean => /gpt-oss|qwen3|deepseek-r1/.test(model);

const check = (request: Body): void => {
  if (/^(gpt-|claude|gemini|o\d)/.test(request.model)) throw new RefusedRequest(notFound(request.model));
  const { include_reasoning: included, reasoning_format: format } = request as ReturnType<typeof parse>;
  if (included !== undefined && format !== undefined)
    throw new RefusedRequest(invalid('cannot specify both `include_reasoning` and `reasoning_format`'));
  if (!reasons(request.model) && (request.reasoning_effort ?? null) !== null)
    throw new RefusedRequest(invalid('`reasoning_effort` is not supported with this model'));
  if (!reasons(request.model) && (format ?? null) !== null)
    throw new RefusedRequest(invalid('reasoning_format is not supported with this model'));
};

const reasoningOf = (request: Body): Conversation['reasoning'] => {
  if (!reasons(request.model) || request.reasoning_effort === 'none') return 'none';
  const { include_reasoning: included, reasoning_format: format } = request as ReturnType<typeof parse>;
  return included === false || format === 'hidden' ? 'hidden' : 'shown';
};

const notFound = (model: string): Failure => ({
  status: 404,
  type: 'invalid_request_error',
  message: `The model \`${model}\` does not exist or you do not have access to it.`,
  code: 'model_not_found',
});

const usage = (input: AnswerToEncode) => ({
  queue_time: 0.041_520_249,
  ...baseUsage(input),
  prompt_time: 0.010_407_901,
  completion_time: 0.046_601_227,
  total_time: 0.057_009_128,
  ...(input.answer.tokens.cache_read > 0
    ? { prompt_tokens_details: { cached_tokens: input.answer.tokens.cache_read } }
    : {}),
  ...(input.answer.tokens.reasoning > 0
    ? { completion_tokens_details: { reasoning_tokens: input.answer.tokens.reasoning } }
    : {}),
});

/** Usage comes beside the finish, twice: where OpenAI has it, and under `x_groq`. */
const STYLE: ChatStyle = {
  ...PLAIN_STYLE,
  usage,
  envelope: ({ context }) => ({
    system_fingerprint: 'fp_f8b414701e',
    service_tier: 'on_demand',
    x_groq: { id: context.requestId },
  }),
  message: ({ text, reasoning, calls }) => ({
    role: 'assistant',
    ...(calls.length > 0 ? { tool_calls: calls } : { content: text }),
    ...(reasoning === '' ? {} : { reasoning }),
  }),
  reasoningDelta: (piece) => ({ reasoning: piece, channel: 'analysis' }),
  openingDelta: () => ({ role: 'assistant', content: null }),
  finishFields: (input) => ({
    x_groq: { id: input.context.requestId, usage: input.behaviour.rawUsage ?? usage(input) },
  }),
  wholeCalls: true,
};

const answering = routesBelow(
  '/groq/openai/v1',
  {
    '/chat/completions': {
      endpoint: chatEndpoint(STYLE, readChatRequestAs({ parse, check, reasoningOf })),
    },
  },
  {
    endpoint: modelsEndpoint({
      isOwn: (model) => /^(llama-|openai\/gpt-oss|qwen\/)/.test(model),
      ownedBy: 'Meta',
      notFound,
      fields: () => ({ active: true, context_window: 131_072, max_completion_tokens: 32_768 }),
    }),
  },
);
const batches = batchRoutesBelow('/groq/openai/v1', GROQ_BATCHES);

/** Groq: https://console.groq.com/docs/api-reference */
export const simulatedGroq: SimulatedProvider = {
  id: 'groq',
  routeOf: (call) => answering(call) ?? batches(call),
  credentialOf: bearerOf,
  keyPrefix: 'gsk_',
  refuseCredential: () => ({
    status: 401,
    type: 'invalid_request_error',
    message: 'Invalid API Key',
    code: 'invalid_api_key',
  }),
  newRequestId: (unique) => `req_01${unique.slice(0, 24)}`,
  answerHeaders: (context) => ({ 'x-request-id': context.requestId, ...openaiLimitHeaders(context) }),
  failureOfLimit: openaiFailureOfLimit,
  failureOf: openaiFailureOf,
  failureHeaders: openaiFailureHeaders,
  encodeFailure: (failure) => encodeOpenaiFailure(failure),
};
