/** Servers that speak OpenAI's dialect with their own words: what differs, and nothing else. */
import { baseUsage, PLAIN_STYLE } from '../openai/chat-style.ts';
import type { ChatCompletionBody as Body } from '../openai/request-schema.ts';
import { RefusedRequest } from '../provider.ts';
import type { SimulatedProvider } from '../provider.ts';
import { compatibleServer, SERVER_DEFAULTS } from './server.ts';

const refuse = (message: string, status = 400): never => {
  throw new RefusedRequest({ status, type: 'invalid_request_error', message, code: 'invalid_request_error' });
};

/** Those that know no such thing name the field as their own parser does. */
const refuseRole = (request: Body, role: string, expected: string): void => {
  request.messages.forEach((message, index) => {
    if (message.role === role)
      refuse(
        `Failed to deserialize the JSON body into the target type: messages[${index}].role: unknown variant \`${role}\`, expected one of ${expected}`,
        422,
      );
  });
};

const hasPart = (request: Body, type: string): boolean =>
  request.messages.some(
    ({ content }) => Array.isArray(content) && content.some((part) => part.type === type),
  );

/** Reads texts alone, thinks aloud where the model does, and splits the prompt by cache hits. */
const deepseek = compatibleServer({
  ...SERVER_DEFAULTS,
  id: 'deepseek',
  prefix: '/deepseek',
  style: {
    ...PLAIN_STYLE,
    answerId: (unique) => unique,
    usage: (input) => ({
      ...baseUsage(input),
      prompt_tokens_details: { cached_tokens: input.answer.tokens.cache_read },
      ...(input.answer.tokens.reasoning > 0
        ? { completion_tokens_details: { reasoning_tokens: input.answer.tokens.reasoning } }
        : {}),
      prompt_cache_hit_tokens: input.answer.tokens.cache_read,
      prompt_cache_miss_tokens: input.answer.tokens.input,
    }),
    streamUsage: 'with_finish',
    preamble: ': keep-alive\n\n',
  },
  ownFields: ['thinking', 'prefix'],
  check: (request) => {
    refuseRole(request, 'developer', '`system`, `user`, `assistant`, `tool`, `latest_reminder`');
    if (hasPart(request, 'image_url'))
      refuse(
        'Failed to deserialize the JSON body: messages[0]: unknown variant `image_url`, expected `text`',
        422,
      );
    if (request.response_format?.type === 'json_schema')
      refuse('This response_format type is unavailable now');
  },
  reasoningOf: ({ model }) => (model.includes('reasoner') ? 'shown' : 'none'),
  isOwnModel: (model) => model.startsWith('deepseek-') || model.startsWith('sim-'),
  refuseCredential: () => ({
    status: 401,
    type: 'authentication_error',
    message: 'Authentication Fails, Your api key is invalid',
    code: 'invalid_request_error',
  }),
});

const isReasoningGrok = (model: string): boolean =>
  model.includes('reasoning') && !model.includes('non-reasoning');

/** Reasoning stands outside of `completion_tokens`, and an error is a text. */
const xai = compatibleServer({
  ...SERVER_DEFAULTS,
  id: 'xai',
  prefix: '/xai/v1',
  keyPrefix: 'xai-',
  style: {
    ...PLAIN_STYLE,
    answerId: (unique) => unique,
    usage: (input) => {
      const { prompt_tokens: prompt, completion_tokens: output, total_tokens: total } = baseUsage(input);
      return {
        prompt_tokens: prompt,
        completion_tokens: output - input.answer.tokens.reasoning,
        total_tokens: total,
        prompt_tokens_details: {
          text_tokens: prompt,
          audio_tokens: 0,
          image_tokens: 0,
          cached_tokens: input.answer.tokens.cache_read,
        },
        completion_tokens_details: {
          reasoning_tokens: input.answer.tokens.reasoning,
          audio_tokens: 0,
          accepted_prediction_tokens: 0,
          rejected_prediction_tokens: 0,
        },
        num_sources_used: 0,
        cost_in_usd_ticks: total * 5_000,
      };
    },
    wholeCalls: true,
  },
  ownFields: ['search_parameters', 'deferred'],
  refusesUnknown: false,
  check: (request) => {
    if (!isReasoningGrok(request.model)) return;
    for (const field of ['stop', 'presence_penalty', 'frequency_penalty'] as const)
      if ((request[field] ?? null) !== null) refuse(`Argument not supported on this model: ${field}`);
  },
  reasoningOf: ({ model }) => (isReasoningGrok(model) ? 'hidden' : 'none'),
  responses: { isReasoning: isReasoningGrok },
  isOwnModel: (model) => model.startsWith('grok-') || model.startsWith('sim-'),
  refuseCredential: () => ({
    status: 400,
    type: 'invalid-argument',
    message: 'Incorrect API key provided. You can obtain an API key from https://console.x.ai.',
  }),
  encodeFailure: ({ message, code, type }) => JSON.stringify({ code: code ?? type, error: message }),
});

/** Counts tokens in a stream only where it is asked to, and names reasoning in its own way. */
const vllm = compatibleServer({
  ...SERVER_DEFAULTS,
  id: 'vllm',
  prefix: '/vllm/v1',
  keyPrefix: '',
  style: {
    ...PLAIN_STYLE,
    answerId: (unique) => `chat-${unique}`,
    message: ({ text, reasoning, calls }) => ({
      role: 'assistant',
      content: calls.length > 0 ? null : text,
      reasoning_content: reasoning === '' ? null : reasoning,
      tool_calls: calls,
    }),
    choice: () => ({ stop_reason: null }),
  },
  ownFields: ['top_k', 'min_p', 'repetition_penalty', 'guided_json', 'chat_template_kwargs', 'priority'],
  reasoningOf: ({ model }) => (model.startsWith('Qwen/Qwen3') ? 'shown' : 'none'),
  isOwnModel: (model) => /^(meta-llama\/|Qwen\/|sim-)/.test(model),
  encodeFailure: ({ message, type, status, param }) =>
    JSON.stringify({ object: 'error', message, type, param: param ?? null, code: status }),
});

/** Takes images only by value, and no choice of a tool. */
const ollama = compatibleServer({
  ...SERVER_DEFAULTS,
  id: 'ollama',
  prefix: '/ollama/v1',
  keyPrefix: '',
  style: {
    ...PLAIN_STYLE,
    answerId: (unique) => `chatcmpl-${Number.parseInt(unique.slice(0, 3), 16)}`,
    envelope: () => ({ system_fingerprint: 'fp_ollama' }),
    wholeCalls: true,
  },
  check: (request) => {
    const isRemote = request.messages.some(
      ({ content }) =>
        Array.isArray(content) &&
        content.some((part) => part.type === 'image_url' && part.image_url.url.startsWith('http')),
    );
    if (isRemote) refuse('invalid image input');
  },
  reasoningOf: ({ model }) => (model.startsWith('qwen3') ? 'shown' : 'none'),
  isOwnModel: (model) => /^(llama3|qwen3|sim-)/.test(model),
  encodeFailure: ({ message, status }) =>
    status === 404
      ? JSON.stringify({ error: { message, type: 'not_found_error', param: null, code: null } })
      : JSON.stringify({ error: message }),
});

const together = compatibleServer({
  ...SERVER_DEFAULTS,
  id: 'together',
  prefix: '/together/v1',
  keyPrefix: '',
  style: { ...PLAIN_STYLE, envelope: () => ({ prompt: [] }), streamUsage: 'with_finish' },
  ownFields: ['top_k', 'min_p', 'repetition_penalty', 'safety_model'],
  reasoningOf: ({ model }) => (model.includes('-R1') ? 'shown' : 'none'),
  isOwnModel: (model) => /^(meta-llama\/|deepseek-ai\/|sim-)/.test(model),
});

export const COMPATIBLE_SERVERS: readonly SimulatedProvider[] = [deepseek, xai, vllm, ollama, together];
