import type { ListedModel, ModelCapabilities } from '#contracts/listed-model';
import type { ChatRequest } from '#contracts/inference';
import { countOf, isObject, objectOf, textOf, type JsonObject } from '../json-fields.ts';
import { createChatWire } from '../openai/chat-wire.ts';
import { COMMON_FIELDS, OPENAI_DIALECT, sameWords, type OpenaiDialect } from '../openai/dialect.ts';
import { createEmbeddingsWire, type EmbeddingsDialect } from '../openai/embeddings-wire.ts';
import { decodeOpenaiFailure } from '../openai/failure.ts';
import { authorizeBearer, createModelList } from '../openai/openai.ts';
import type { Provider } from '../provider.ts';
import { readRateLimitHeaders, type RateLimitHeaders } from '../rate-limits.ts';
import { readHeader } from '../upstream-failure.ts';

const MINUTE_MS = 60_000;
const MONTH_MS = 30 * 24 * 60 * MINUTE_MS;

/** It refuses fields that it does not know, which is why these are few. */
const DIALECT: OpenaiDialect = {
  ...OPENAI_DIALECT,
  fields: new Set<keyof ChatRequest>([
    ...COMMON_FIELDS,
    'parallelToolCalls',
    'frequencyPenalty',
    'presencePenalty',
    'seed',
  ]),
  maxOutputTokens: 'max_tokens',
  seed: 'random_seed',
  requiredToolChoice: 'any',
  asksForUsage: false,
  reasoning: {
    asked: 'reasoning_effort',
    efforts: sameWords('none', 'high'),
    shown: 'always',
    givenBack: 'thinking_part',
    sealsOf: null,
  },
  serviceTiers: {},
  documents: 'document_url',
  audio: 'bare',
};

const EMBEDDINGS: EmbeddingsDialect = {
  dimensions: 'output_dimension',
  takesTokens: false,
  takesEndUser: false,
};

/** Names of today, and those of before, which counted tokens alone. */
const RATE_LIMIT_HEADERS: readonly RateLimitHeaders[] = [
  {
    unit: 'requests',
    windowMs: MINUTE_MS,
    limit: 'x-ratelimit-limit-req-minute',
    remaining: 'x-ratelimit-remaining-req-minute',
  },
  {
    unit: 'tokens',
    windowMs: MINUTE_MS,
    limit: 'x-ratelimit-limit-tokens-minute',
    remaining: 'x-ratelimit-remaining-tokens-minute',
  },
  {
    unit: 'tokens',
    windowMs: MONTH_MS,
    limit: 'x-ratelimit-limit-tokens-month',
    remaining: 'x-ratelimit-remaining-tokens-month',
  },
  {
    unit: 'tokens',
    windowMs: MINUTE_MS,
    limit: 'x-ratelimitbysize-limit-minute',
    remaining: 'x-ratelimitbysize-remaining-minute',
    reset: 'ratelimitbysize-reset',
  },
  {
    unit: 'tokens',
    windowMs: MONTH_MS,
    limit: 'x-ratelimitbysize-limit-month',
    remaining: 'x-ratelimitbysize-remaining-month',
  },
];

const capabilitiesOf = (entry: JsonObject): ModelCapabilities | null => {
  const told = entry['capabilities'];
  if (!isObject(told)) return null;
  return {
    ...(told['completion_chat'] === true && { operations: ['chat'] }),
    ...(typeof told['vision'] === 'boolean' && { imageInput: told['vision'] }),
    ...(typeof told['function_calling'] === 'boolean' && { tools: told['function_calling'] }),
    ...(typeof told['reasoning'] === 'boolean' && { reasoning: told['reasoning'] }),
  };
};

const readModel = (entry: JsonObject): ListedModel | null => {
  const id = textOf(entry['id']);
  if (id === null || objectOf(entry['capabilities'])['completion_chat'] === undefined) {
    return id === null ? null : { id, contextWindowTokens: null, maxOutputTokens: null, capabilities: null };
  }
  return {
    id,
    contextWindowTokens: countOf(entry['max_context_length']),
    maxOutputTokens: null,
    capabilities: capabilitiesOf(entry),
  };
};

/** Mistral: https://docs.mistral.ai/api */
export const mistral: Provider = {
  id: 'mistral',
  baseUrl: 'https://api.mistral.ai/v1',
  authorize: authorizeBearer,
  keyCheck: { path: '/models', headers: {} },
  models: createModelList(readModel),
  wires: [createChatWire(DIALECT), createEmbeddingsWire(EMBEDDINGS)],
  decodeError: decodeOpenaiFailure,
  readRequestId: (headers) =>
    readHeader(headers, 'mistral-correlation-id') ?? readHeader(headers, 'x-request-id'),
  readRateLimits: (headers, nowMs) => readRateLimitHeaders(RATE_LIMIT_HEADERS, headers, nowMs),
  chargesAfterCancel: true,
};
