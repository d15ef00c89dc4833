import type { ChatRequest } from '#contracts/inference';
import { countOf, textOf } from '../json-fields.ts';
import { createChatWire } from '../openai/chat-wire.ts';
import {
  COMMON_FIELDS,
  OPENAI_DIALECT,
  OPENAI_RATE_LIMIT_HEADERS,
  sameWords,
  type OpenaiDialect,
} from '../openai/dialect.ts';
import { decodeOpenaiFailure } from '../openai/failure.ts';
import { authorizeBearer, createModelList } from '../openai/openai.ts';
import type { Provider } from '../provider.ts';
import { readRateLimitHeaders, type RateLimitHeaders } from '../rate-limits.ts';
import { readHeader } from '../upstream-failure.ts';

const DAY_MS = 24 * 60 * 60 * 1_000;

const DIALECT: OpenaiDialect = {
  ...OPENAI_DIALECT,
  fields: new Set<keyof ChatRequest>([
    ...COMMON_FIELDS,
    'parallelToolCalls',
    'seed',
    'serviceTier',
    'endUser',
  ]),
  reasoning: {
    asked: 'reasoning_effort',
    efforts: sameWords('none', 'low', 'medium', 'high'),
    shown: 'asked',
    givenBack: 'reasoning',
    sealsOf: null,
  },
  serviceTiers: { auto: 'auto', standard: 'on_demand', flex: 'flex', priority: 'performance' },
  documents: null,
  audio: null,
};

/** Its limits on requests are by the day, those on tokens by the minute. */
const RATE_LIMIT_HEADERS: readonly RateLimitHeaders[] = OPENAI_RATE_LIMIT_HEADERS.map((named) =>
  named.unit === 'requests' ? { ...named, windowMs: DAY_MS } : named,
);

/** Groq: https://console.groq.com/docs/api-reference */
export const groq: Provider = {
  id: 'groq',
  baseUrl: 'https://api.groq.com/openai/v1',
  authorize: authorizeBearer,
  keyCheck: { path: '/models', headers: {} },
  models: createModelList((entry) => {
    const id = textOf(entry['id']);
    if (id === null || entry['active'] === false) return null;
    return {
      id,
      contextWindowTokens: countOf(entry['context_window']),
      maxOutputTokens: countOf(entry['max_completion_tokens']),
      capabilities: null,
    };
  }),
  wires: [createChatWire(DIALECT)],
  decodeError: decodeOpenaiFailure,
  readRequestId: (headers) => readHeader(headers, 'x-request-id'),
  readRateLimits: (headers, nowMs) => readRateLimitHeaders(RATE_LIMIT_HEADERS, headers, nowMs),
  chargesAfterCancel: true,
};
