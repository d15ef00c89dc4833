import { replaceJsonMembers } from '../json-members.ts';
import type { Provider } from '../provider.ts';
import { readHeader } from '../upstream-failure.ts';
import { decodeAnthropicFailure } from './failure.ts';
import { encodeAnthropicRequest } from './request.ts';
import { decodeAnthropicResponse, readAnthropicAnswer } from './response.ts';
import { createAnthropicStreamDecoder } from './stream.ts';

const PATH = '/v1/messages';
/** The version our own requests are written for. */
const VERSION = { 'anthropic-version': '2023-06-01' };
const HEADERS = { 'content-type': 'application/json', ...VERSION };

/** Anthropic's Messages API: https://docs.anthropic.com/en/api/messages */
export const anthropic: Provider = {
  id: 'anthropic',
  surface: 'anthropic-messages',
  baseUrl: 'https://api.anthropic.com',
  authorize: (secret) => ({ 'x-api-key': secret }),
  keyCheck: { path: '/v1/models', headers: VERSION },
  encodePassThrough: ({ body, model, forwardedHeaders }) => ({
    path: PATH,
    headers: { ...HEADERS, ...forwardedHeaders },
    body: replaceJsonMembers(body, { model }),
    usageInjected: false,
  }),
  encodeRequest: ({ request, model }) => ({
    path: PATH,
    headers: HEADERS,
    body: Buffer.from(JSON.stringify(encodeAnthropicRequest(request, model))),
  }),
  decodeResponse: decodeAnthropicResponse,
  readAnswer: readAnthropicAnswer,
  createStreamDecoder: createAnthropicStreamDecoder,
  decodeError: decodeAnthropicFailure,
  readRequestId: (headers) => readHeader(headers, 'request-id'),
};
