import type { ListedModel } from '#contracts/listed-model';
import { countInputTokens } from '../openai-responses/count-tokens-wire.ts';
import { createResponsesWire, OPENAI_RESPONSES } from '../openai-responses/responses-wire.ts';
import { nameOnly, readModelList } from '../model-list.ts';
import type { ModelList, Provider } from '../provider.ts';
import { readRateLimitHeaders } from '../rate-limits.ts';
import { readHeader } from '../upstream-failure.ts';
import { createChatWire } from './chat-wire.ts';
import { OPENAI_DIALECT, OPENAI_RATE_LIMIT_HEADERS } from './dialect.ts';
import { createEmbeddingsWire } from './embeddings-wire.ts';
import { decodeOpenaiFailure } from './failure.ts';
import type { JsonObject } from '../json-fields.ts';

export const authorizeBearer = (secret: string): Record<string, string> => ({
  authorization: `Bearer ${secret}`,
});

/** `GET /models`, whole on one page. */
export const createModelList = (
  read: (entry: JsonObject) => ListedModel | null = nameOnly,
  path = '/models',
): ModelList => ({
  path: () => path,
  headers: {},
  decode: (body) => ({ models: readModelList(body, 'data', read).models, next: null }),
});

/** OpenAI: https://platform.openai.com/docs/api-reference */
export const openai: Provider = {
  id: 'openai',
  baseUrl: 'https://api.openai.com/v1',
  authorize: authorizeBearer,
  keyCheck: { path: '/models', headers: {} },
  models: createModelList(),
  wires: [
    createChatWire(OPENAI_DIALECT),
    createResponsesWire(OPENAI_RESPONSES),
    createEmbeddingsWire(),
    countInputTokens,
  ],
  decodeError: decodeOpenaiFailure,
  readRequestId: (headers) => readHeader(headers, 'x-request-id'),
  readRateLimits: (headers, nowMs) => readRateLimitHeaders(OPENAI_RATE_LIMIT_HEADERS, headers, nowMs),
  chargesAfterCancel: false,
};
