import type { FloError } from '#domain/errors';
import { encodeOpenaiError, encodeOpenaiErrorBody } from '../openai-chat/errors.ts';
import type { ChatSurface, StreamSoFar } from '../surface.ts';
import { decodeResponsesRequest, readResponsesRequest } from './request.ts';
import { encodeResponsesResponse } from './response.ts';
import { createResponsesStreamEncoder } from './stream.ts';

const SEQUENCE_NUMBER = /"sequence_number":\s*(\d+)/g;

/** Events are numbered without gaps, so the error's number follows from what was sent last. */
const encodeStreamError = (error: FloError, requestId: string, { tail }: StreamSoFar): string => {
  const last = [...tail.matchAll(SEQUENCE_NUMBER)].at(-1)?.[1];
  const data = {
    type: 'error',
    sequence_number: last === undefined ? 0 : Number(last) + 1,
    ...encodeOpenaiErrorBody(error, requestId),
  };
  return `event: error\ndata: ${JSON.stringify(data)}\n\n`;
};

/** OpenAI's Responses dialect, without state: https://platform.openai.com/docs/api-reference/responses */
export const openaiResponses: ChatSurface = {
  id: 'openai-responses',
  operation: 'chat',
  forwardedHeaders: [],
  paramNames: {
    system: 'instructions',
    messages: 'input',
    'messages.role': 'input.role',
    outputFormat: 'text.format',
    verbosity: 'text.verbosity',
    logprobs: 'include',
    endUser: 'user',
    'reasoning.effort': 'reasoning.effort',
    'reasoning.shown': 'reasoning.summary',
  },
  readRequest: readResponsesRequest,
  decodeRequest: decodeResponsesRequest,
  encodeResponse: encodeResponsesResponse,
  createStreamEncoder: createResponsesStreamEncoder,
  encodeError: encodeOpenaiError,
  encodeStreamError,
};
