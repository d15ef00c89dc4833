import type { Surface } from '../surface.ts';
import { encodeAnthropicError, encodeAnthropicStreamError } from './errors.ts';
import { decodeAnthropicRequest, readAnthropicRequest } from './request.ts';
import { encodeAnthropicResponse } from './response.ts';
import { createAnthropicStreamEncoder } from './stream.ts';

/** Anthropic's Messages dialect: https://docs.claude.com/en/api/messages */
export const anthropicMessages: Surface = {
  id: 'anthropic-messages',
  forwardedHeaders: ['anthropic-version', 'anthropic-beta'],
  readRequest: readAnthropicRequest,
  decodeRequest: decodeAnthropicRequest,
  encodeResponse: encodeAnthropicResponse,
  createStreamEncoder: createAnthropicStreamEncoder,
  encodeError: encodeAnthropicError,
  encodeStreamError: encodeAnthropicStreamError,
};
