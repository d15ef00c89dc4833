import type { TokenCountResponse } from '#contracts/token-count';
import { isObject, type JsonObject } from '../field-reader.ts';
import type { ClientRequest, DecodeInput, RequestPath, TokenCountSurface } from '../surface.ts';
import { GEMINI_DIALECT } from './dialect.ts';
import { readApiBody, readApiMessage } from './message.ts';
import { checkContents, decodeContentsRequest, readPathModel } from './request.ts';

const NO_METADATA = Object.freeze({});
const WHOLE_REQUEST = 'generateContentRequest';

/** Either contents alone, or all that would be sent for an answer. */
const requestOf = (value: unknown): { body: JsonObject; prefix: string } => {
  const body = readApiBody(value);
  return isObject(body[WHOLE_REQUEST])
    ? { body: readApiMessage(body[WHOLE_REQUEST], WHOLE_REQUEST), prefix: `${WHOLE_REQUEST}.` }
    : { body, prefix: '' };
};

const readCountRequest = (value: unknown, path: RequestPath): ClientRequest => {
  const model = readPathModel(path);
  const { body, prefix } = requestOf(value);
  checkContents(body, prefix);
  return {
    model,
    stream: false,
    streamFraming: 'sse',
    maxOutputTokens: null,
    endUser: null,
    metadata: NO_METADATA,
  };
};

/** Gemini's `countTokens`: https://ai.google.dev/api/tokens */
export const geminiCountTokens: TokenCountSurface = {
  ...GEMINI_DIALECT,
  id: 'gemini-count-tokens',
  operation: 'token_count',
  readRequest: readCountRequest,
  decodeRequest: ({ body, inexpressible }: DecodeInput) =>
    decodeContentsRequest(requestOf(body).body, false, inexpressible),
  encodeResponse: ({ inputTokens, cachedTokens }: TokenCountResponse) => ({
    totalTokens: inputTokens,
    ...(cachedTokens !== undefined && { cachedContentTokenCount: cachedTokens }),
  }),
};
