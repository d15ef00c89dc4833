import type { ChatSurface } from '../surface.ts';
import { GEMINI_DIALECT } from './dialect.ts';
import { decodeGenerateRequest, readGenerateRequest } from './request.ts';
import { encodeGenerateResponse } from './response.ts';
import { createGenerateStreamEncoder } from './stream.ts';

/** Gemini's `generateContent` and `streamGenerateContent`: https://ai.google.dev/api/generate-content */
export const geminiGenerateContent: ChatSurface = {
  ...GEMINI_DIALECT,
  id: 'gemini-generate-content',
  operation: 'chat',
  readRequest: readGenerateRequest,
  decodeRequest: decodeGenerateRequest,
  encodeResponse: encodeGenerateResponse,
  createStreamEncoder: createGenerateStreamEncoder,
};
