import type { TokenCountResponse } from '#contracts/token-count';
import { anthropicMessages } from '../anthropic-messages/anthropic-messages.ts';
import { decodeMessagesRequest, readMessagesRequest } from '../anthropic-messages/request.ts';
import { readBody } from '../field-reader.ts';
import type { DecodeInput, TokenCountSurface } from '../surface.ts';

const { forwardedHeaders, paramNames, encodeError, encodeStreamError } = anthropicMessages;

/** Anthropic's count of a message's tokens: https://docs.claude.com/en/api/messages-count-tokens */
export const anthropicCountTokens: TokenCountSurface = {
  id: 'anthropic-count-tokens',
  operation: 'token_count',
  forwardedHeaders,
  paramNames,
  readRequest: (body) => ({ ...readMessagesRequest(readBody(body)), stream: false }),
  decodeRequest: ({ body, inexpressible }: DecodeInput) =>
    decodeMessagesRequest(readBody(body), { stream: false, inexpressible }),
  encodeResponse: ({ inputTokens }: TokenCountResponse) => ({ input_tokens: inputTokens }),
  encodeError,
  encodeStreamError,
};
