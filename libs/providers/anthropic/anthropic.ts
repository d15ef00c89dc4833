import { replaceJsonMembers } from '../json-members.ts';
import type { Provider } from '../provider.ts';
import { readHeader } from '../upstream-failure.ts';
import { decodeAnthropicFailure } from './failure.ts';
import { encodeAnthropicRequest } from './request.ts';
import { decodeAnthropicResponse, readAnthropicAnswer } from './response.ts';
import { createAnthropicStreamDecoder } from './stream.ts';

const PATH = '/v1/messages';
/** The version that translated requests are written in, and that of a client which names none. */
const VERSION = '2023-06-01';

const headersOf = (forwarded: Readonly<Record<string, string>>): Record<string, string> => {
  const beta = forwarded['anthropic-beta'];
  return {
    'content-type': 'application/json',
    'anthropic-version': forwarded['anthropic-version'] ?? VERSION,
    ...(beta !== undefined && { 'anthropic-beta': beta }),
  };
};

/** Anthropic's Messages API: https://docs.claude.com/en/api/messages */
export const anthropic: Provider = {
  id: 'anthropic',
  surface: 'anthropic-messages',
  baseUrl: 'https://api.anthropic.com',
  authorize: (secret) => ({ 'x-api-key': secret }),
  keyCheck: { path: '/v1/models?limit=1', headers: { 'anthropic-version': VERSION } },
  encodePassThrough: ({ body, model, forwardedHeaders }) => ({
    path: PATH,
    headers: headersOf(forwardedHeaders),
    body: replaceJsonMembers(body, { model }),
    // Every stream carries usage without being asked.
    usageInjected: false,
  }),
  encodeRequest: ({ request, model }) => ({
    path: PATH,
    headers: headersOf({}),
    body: Buffer.from(JSON.stringify(encodeAnthropicRequest(request, model))),
  }),
  decodeResponse: decodeAnthropicResponse,
  readAnswer: readAnthropicAnswer,
  createStreamDecoder: createAnthropicStreamDecoder,
  decodeError: decodeAnthropicFailure,
  readRequestId: (headers) => readHeader(headers, 'request-id'),
};
