import type { ListedModel } from '#contracts/listed-model';
import type { ChatRequest } from '#contracts/inference';
import { countOf, listOf, objectOf, textOf, type JsonObject } from '../json-fields.ts';
import { createChatWire } from '../openai/chat-wire.ts';
import { OPENAI_DIALECT, sameWords, type OpenaiDialect } from '../openai/dialect.ts';
import { createEmbeddingsWire } from '../openai/embeddings-wire.ts';
import { decodeOpenaiFailure } from '../openai/failure.ts';
import { authorizeBearer, createModelList } from '../openai/openai.ts';
import { createResponsesWire, OTHER_RESPONSES } from '../openai-responses/responses-wire.ts';
import type { Provider } from '../provider.ts';
import { readRateLimitHeaders, type RateLimitHeaders } from '../rate-limits.ts';
import { readHeader } from '../upstream-failure.ts';

const DIALECT: OpenaiDialect = {
  ...OPENAI_DIALECT,
  fields: new Set<keyof ChatRequest>([...OPENAI_DIALECT.fields, 'topK']),
  reasoning: {
    asked: 'reasoning',
    efforts: sameWords('none', 'minimal', 'low', 'medium', 'high', 'xhigh', 'max'),
    shown: 'asked',
    givenBack: 'reasoning_details',
    sealsOf: 'openrouter',
  },
  documents: 'file_or_url',
  cacheControl: true,
};

/** It tells of limits only where one is reached, and not for which span. */
const RATE_LIMIT_HEADERS: readonly RateLimitHeaders[] = [
  {
    unit: 'requests',
    windowMs: null,
    limit: 'x-ratelimit-limit',
    remaining: 'x-ratelimit-remaining',
    reset: 'x-ratelimit-reset',
  },
];

/** A key's own answer: the list of models is there for everyone. */
const KEY_PATH = '/key';

const readModel = (entry: JsonObject): ListedModel | null => {
  const id = textOf(entry['id']);
  if (id === null) return null;
  const top = objectOf(entry['top_provider']);
  const parameters = listOf(entry['supported_parameters']);
  const has = (name: string): boolean => parameters.includes(name);
  return {
    id,
    contextWindowTokens: countOf(top['context_length']) ?? countOf(entry['context_length']),
    maxOutputTokens: countOf(top['max_completion_tokens']),
    capabilities: {
      imageInput: listOf(objectOf(entry['architecture'])['input_modalities']).includes('image'),
      ...(parameters.length > 0 && {
        tools: has('tools'),
        structuredOutput: has('structured_outputs'),
        reasoning: has('reasoning'),
      }),
    },
  };
};

/** OpenRouter, which sells other providers' models for prepaid credits: https://openrouter.ai/docs/api-reference */
export const openrouter: Provider = {
  id: 'openrouter',
  baseUrl: 'https://openrouter.ai/api/v1',
  authorize: authorizeBearer,
  keyCheck: { path: KEY_PATH, headers: {} },
  models: createModelList(readModel),
  wires: [createChatWire(DIALECT), createResponsesWire(OTHER_RESPONSES), createEmbeddingsWire()],
  decodeError: decodeOpenaiFailure,
  readRequestId: (headers) => readHeader(headers, 'x-generation-id') ?? readHeader(headers, 'x-request-id'),
  readRateLimits: (headers, nowMs) => readRateLimitHeaders(RATE_LIMIT_HEADERS, headers, nowMs),
  // It depends on the provider behind it; those that stop, stop at once.
  chargesAfterCancel: false,
};
