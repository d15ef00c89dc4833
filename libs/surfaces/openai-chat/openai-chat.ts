import type { ChatSurface } from '../surface.ts';
import { encodeOpenaiError, encodeOpenaiStreamError } from './errors.ts';
import { decodeOpenaiRequest, readOpenaiRequest } from './request.ts';
import { encodeOpenaiResponse } from './response.ts';
import { createOpenaiStreamEncoder } from './stream.ts';

/** OpenAI's Chat Completions dialect: https://platform.openai.com/docs/api-reference/chat */
export const openaiChat: ChatSurface = {
  id: 'openai-chat',
  operation: 'chat',
  forwardedHeaders: [],
  paramNames: {
    system: 'messages',
    maxOutputTokens: 'max_completion_tokens',
    outputFormat: 'response_format',
    reasoning: 'reasoning_effort',
    'reasoning.effort': 'reasoning_effort',
    'reasoning.budgetTokens': 'reasoning.max_tokens',
    'reasoning.shown': 'reasoning.exclude',
    endUser: 'user',
  },
  readRequest: readOpenaiRequest,
  decodeRequest: decodeOpenaiRequest,
  encodeResponse: encodeOpenaiResponse,
  createStreamEncoder: createOpenaiStreamEncoder,
  encodeError: encodeOpenaiError,
  encodeStreamError: encodeOpenaiStreamError,
};
