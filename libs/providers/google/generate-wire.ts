import type { ChatWire, UpstreamCall } from '../provider.ts';
import { methodPath, namedInPath } from './model-path.ts';
import { encodeGeminiRequest } from './request.ts';
import { decodeGeminiResponse, readGeminiAnswer } from './response.ts';
import { createGeminiStreamDecoder, GEMINI_VARYING } from './stream.ts';

const HEADERS = { 'content-type': 'application/json' };

const callOf = (model: string, stream: boolean, body: Uint8Array): UpstreamCall => ({
  path: methodPath(model, stream ? 'streamGenerateContent?alt=sse' : 'generateContent'),
  headers: HEADERS,
  body,
});

/** https://ai.google.dev/api/generate-content; a stream is always asked for as server-sent events. */
export const generateContent: ChatWire = {
  operation: 'chat',
  surface: 'gemini-generate-content',
  encodePassThrough: ({ body, model, stream }) => ({
    ...callOf(model, stream, namedInPath(body, model)),
    // Every stream carries usage without being asked.
    usageInjected: false,
  }),
  encodeRequest: (input) =>
    callOf(input.model, input.request.stream, Buffer.from(JSON.stringify(encodeGeminiRequest(input)))),
  decodeResponse: decodeGeminiResponse,
  readAnswer: readGeminiAnswer,
  createStreamDecoder: createGeminiStreamDecoder,
  varying: GEMINI_VARYING,
};
