import { objectOf } from '../json-fields.ts';
import { findJsonMember, replaceJsonMembers } from '../json-members.ts';
import type { ChatWire, Provider } from '../provider.ts';
import { readHeader } from '../upstream-failure.ts';
import { decodeOpenaiFailure } from './failure.ts';
import { encodeOpenaiRequest } from './request.ts';
import { decodeOpenaiResponse, readOpenaiAnswer } from './response.ts';
import { createOpenaiStreamDecoder } from './stream.ts';

const PATH = '/chat/completions';
const HEADERS = { 'content-type': 'application/json' };

const decoder = new TextDecoder();

/** The usage option of a streamed request, and whether it is ours. */
const askForUsage = (body: Uint8Array): { members: Record<string, unknown>; usageInjected: boolean } => {
  const options = findJsonMember(body, 'stream_options');
  const given = objectOf(options === null ? null : JSON.parse(decoder.decode(options)));
  if (given['include_usage'] === true) return { members: {}, usageInjected: false };
  return { members: { stream_options: { ...given, include_usage: true } }, usageInjected: true };
};

/** The Chat Completions API: https://platform.openai.com/docs/api-reference/chat */
export const chatCompletions: ChatWire = {
  operation: 'chat',
  surface: 'openai-chat',
  encodePassThrough: ({ body, model, stream }) => {
    const { members, usageInjected } = stream ? askForUsage(body) : { members: {}, usageInjected: false };
    return {
      path: PATH,
      headers: HEADERS,
      body: replaceJsonMembers(body, { model, ...members }),
      usageInjected,
    };
  },
  encodeRequest: (input) => ({
    path: PATH,
    headers: HEADERS,
    body: Buffer.from(JSON.stringify(encodeOpenaiRequest(input))),
  }),
  decodeResponse: decodeOpenaiResponse,
  readAnswer: readOpenaiAnswer,
  createStreamDecoder: createOpenaiStreamDecoder,
};

/** OpenAI: https://platform.openai.com/docs/api-reference */
export const openai: Provider = {
  id: 'openai',
  baseUrl: 'https://api.openai.com/v1',
  authorize: (secret) => ({ authorization: `Bearer ${secret}` }),
  keyCheck: { path: '/models', headers: {} },
  wires: [chatCompletions],
  decodeError: decodeOpenaiFailure,
  readRequestId: (headers) => readHeader(headers, 'x-request-id'),
  chargesAfterCancel: false,
};
