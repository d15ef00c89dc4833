import { replaceJsonMembers } from '../json-members.ts';
import type { ChatWire, UpstreamCall } from '../provider.ts';
import { encodeResponsesRequest } from './request.ts';
import { decodeResponsesResponse, readResponsesAnswer } from './response.ts';
import { createResponsesStreamDecoder, RESPONSES_VARYING } from './stream.ts';

/** The Responses API (https://platform.openai.com/docs/api-reference/responses); a stream tells its usage unasked. */
export const createResponsesWire = (path = '/responses'): ChatWire => {
  const callOf = (body: Uint8Array): UpstreamCall => ({
    path,
    headers: { 'content-type': 'application/json' },
    body,
  });
  return {
    operation: 'chat',
    surface: 'openai-responses',
    encodePassThrough: ({ body, model }) => ({
      ...callOf(replaceJsonMembers(body, { model })),
      usageInjected: false,
    }),
    encodeRequest: (input) => callOf(Buffer.from(JSON.stringify(encodeResponsesRequest(input)))),
    decodeResponse: decodeResponsesResponse,
    readAnswer: readResponsesAnswer,
    createStreamDecoder: createResponsesStreamDecoder,
    varying: RESPONSES_VARYING,
  };
};
