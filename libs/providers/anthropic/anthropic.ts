import { replaceJsonMembers } from '../json-members.ts';
import type { ChatWire, Provider } from '../provider.ts';
import { readRateLimitHeaders } from '../rate-limits.ts';
import { readHeader } from '../upstream-failure.ts';
import { decodeAnthropicFailure } from './failure.ts';
import { countTokens } from './count-tokens-wire.ts';
import { anthropicHeaders, ANTHROPIC_VERSION } from './headers.ts';
import { createAnthropicModelList } from './models.ts';
import { ANTHROPIC_RATE_LIMIT_HEADERS } from './rate-limits.ts';
import { encodeAnthropicRequest } from './request.ts';
import { decodeAnthropicResponse, readAnthropicAnswer } from './response.ts';
import { ANTHROPIC_VARYING, createAnthropicStreamDecoder } from './stream.ts';

const PATH = '/v1/messages';

/** The Messages API: https://docs.claude.com/en/api/messages */
export const messages: ChatWire = {
  operation: 'chat',
  surface: 'anthropic-messages',
  encodePassThrough: ({ body, model, forwardedHeaders }) => ({
    path: PATH,
    headers: anthropicHeaders(forwardedHeaders),
    body: replaceJsonMembers(body, { model }),
    // Every stream carries usage without being asked.
    usageInjected: false,
  }),
  encodeRequest: (input) => ({
    path: PATH,
    headers: anthropicHeaders({}),
    body: Buffer.from(JSON.stringify(encodeAnthropicRequest(input))),
  }),
  decodeResponse: decodeAnthropicResponse,
  readAnswer: readAnthropicAnswer,
  createStreamDecoder: createAnthropicStreamDecoder,
  varying: ANTHROPIC_VARYING,
};

/** Anthropic: https://docs.claude.com/en/api/overview */
export const anthropic: Provider = {
  id: 'anthropic',
  baseUrl: 'https://api.anthropic.com',
  authorize: (secret) => ({ 'x-api-key': secret }),
  keyCheck: { path: '/v1/models?limit=1', headers: { 'anthropic-version': ANTHROPIC_VERSION } },
  models: createAnthropicModelList({ 'anthropic-version': ANTHROPIC_VERSION }),
  wires: [messages, countTokens],
  decodeError: decodeAnthropicFailure,
  readRequestId: (headers) => readHeader(headers, 'request-id'),
  readRateLimits: (headers, nowMs) => readRateLimitHeaders(ANTHROPIC_RATE_LIMIT_HEADERS, headers, nowMs),
  chargesAfterCancel: false,
};
