import type { TokenCountResponse } from '#contracts/token-count';
import { readBody } from '../field-reader.ts';
import { openaiResponses } from '../openai-responses/openai-responses.ts';
import { decodeResponsesRequest, readResponsesRequest } from '../openai-responses/request.ts';
import type { DecodeInput, TokenCountSurface } from '../surface.ts';

const { forwardedHeaders, paramNames, encodeError, encodeStreamError } = openaiResponses;

/** OpenAI's count of a response's input: https://platform.openai.com/docs/api-reference/responses/input-tokens */
export const openaiCountTokens: TokenCountSurface = {
  id: 'openai-count-tokens',
  operation: 'token_count',
  forwardedHeaders,
  paramNames,
  readRequest: (body) => ({ ...readResponsesRequest(readBody(body)), stream: false }),
  decodeRequest: ({ body, inexpressible }: DecodeInput) =>
    decodeResponsesRequest({ body: readBody(body), stream: false, inexpressible }),
  encodeResponse: ({ inputTokens }: TokenCountResponse) => ({
    object: 'response.input_tokens',
    input_tokens: inputTokens,
  }),
  encodeError,
  encodeStreamError,
};
