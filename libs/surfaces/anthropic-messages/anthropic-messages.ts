import type { ChatSurface } from '../surface.ts';
import { encodeAnthropicError, encodeAnthropicStreamError } from './errors.ts';
import { decodeAnthropicRequest, readAnthropicRequest } from './request.ts';
import { encodeAnthropicResponse } from './response.ts';
import { createAnthropicStreamEncoder } from './stream.ts';

/** Anthropic's Messages dialect: https://docs.claude.com/en/api/messages */
export const anthropicMessages: ChatSurface = {
  id: 'anthropic-messages',
  operation: 'chat',
  forwardedHeaders: ['anthropic-version', 'anthropic-beta'],
  paramNames: {
    maxOutputTokens: 'max_tokens',
    stop: 'stop_sequences',
    outputFormat: 'output_config.format',
    reasoning: 'thinking',
    'reasoning.effort': 'output_config.effort',
    'reasoning.budgetTokens': 'thinking.budget_tokens',
    'reasoning.shown': 'thinking.display',
    endUser: 'metadata.user_id',
    parallelToolCalls: 'tool_choice.disable_parallel_tool_use',
  },
  readRequest: readAnthropicRequest,
  decodeRequest: decodeAnthropicRequest,
  encodeResponse: encodeAnthropicResponse,
  createStreamEncoder: createAnthropicStreamEncoder,
  encodeError: encodeAnthropicError,
  encodeStreamError: encodeAnthropicStreamError,
};
