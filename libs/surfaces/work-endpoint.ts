import type { SurfaceId } from '#contracts/vocabulary';
import { FloError } from '#domain/errors';
import type { RequestPath } from './surface.ts';

/** Endpoints that may be asked without a connection that waits: every one that has one whole answer. */
const ENDPOINTS: Readonly<Record<string, SurfaceId>> = {
  '/v1/chat/completions': 'openai-chat',
  '/v1/responses': 'openai-responses',
  '/v1/responses/input_tokens': 'openai-count-tokens',
  '/v1/embeddings': 'openai-embeddings',
  '/v1/messages': 'anthropic-messages',
  '/v1/messages/count_tokens': 'anthropic-count-tokens',
};

const GEMINI_METHODS: Readonly<Record<string, SurfaceId>> = {
  generateContent: 'gemini-generate-content',
  countTokens: 'gemini-count-tokens',
  embedContent: 'gemini-embed-content',
  batchEmbedContents: 'gemini-embed-content',
};

/** Whose dialect an endpoint's path is in. Throws `FloError` `invalid_request`. */
export const readWorkEndpoint = (endpoint: string): { surface: SurfaceId; path: RequestPath } => {
  const surface = Object.hasOwn(ENDPOINTS, endpoint) ? ENDPOINTS[endpoint] : undefined;
  if (surface !== undefined) return { surface, path: {} };
  const [, model = '', method = ''] = /^\/v1(?:beta)?\/models\/(.+):(\w+)$/.exec(endpoint) ?? [];
  const gemini = Object.hasOwn(GEMINI_METHODS, method) ? GEMINI_METHODS[method] : undefined;
  if (gemini !== undefined) return { surface: gemini, path: { model, stream: false } };
  throw new FloError(
    'invalid_request',
    `endpoint: must be one of ${Object.keys(ENDPOINTS).join(', ')}, or /v1beta/models/<model>:<method>.`,
    { param: 'endpoint' },
  );
};
