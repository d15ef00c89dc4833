import type { FastifyInstance, FastifyRequest } from 'fastify';
import type { RequestId } from '#contracts/ids';
import type { SurfaceId } from '#contracts/vocabulary';
import { GEMINI_METHOD_PATHS, readGeminiAddress, type Addressed } from './gemini-address.ts';

type InferenceRoute = {
  path: string;
  /** Whose dialect errors are in that come before the request is read. */
  surface: SurfaceId;
  /** Throws `FloError` `route_not_found` where there is nothing at the request's path after all. */
  address: (request: Pick<FastifyRequest, 'params' | 'query'>) => Addressed;
  /** Whether a key may be shown as `?key=`. */
  takesQueryKey: boolean;
};

const at = (path: string, surface: SurfaceId): InferenceRoute => ({
  path,
  surface,
  address: () => ({ surface, path: {} }),
  takesQueryKey: false,
});

/** Where each dialect's requests come in. */
export const INFERENCE_ROUTES: readonly InferenceRoute[] = [
  at('/v1/chat/completions', 'openai-chat'),
  at('/v1/responses', 'openai-responses'),
  at('/v1/responses/input_tokens', 'openai-count-tokens'),
  at('/v1/embeddings', 'openai-embeddings'),
  at('/v1/messages', 'anthropic-messages'),
  at('/v1/messages/count_tokens', 'anthropic-count-tokens'),
  ...GEMINI_METHOD_PATHS.map((path): InferenceRoute => ({
    path: `${path}/*`,
    surface: 'gemini-generate-content',
    address: ({ params, query }) =>
      readGeminiAddress((params as { '*': string })['*'], query as Record<string, unknown>),
    takesQueryKey: true,
  })),
  // Groq's client library has these paths below its base URL.
  at('/openai/v1/embeddings', 'openai-embeddings'),
  at('/openai/v1/chat/completions', 'openai-chat'),
];

/** Every body comes as the bytes it was sent as, whatever its type is called: it must be JSON anyway. */
export const takeRawBodies = (app: FastifyInstance): void => {
  app.removeAllContentTypeParsers();
  app.addContentTypeParser('*', { parseAs: 'buffer' }, (_request, body, done) => done(null, body));
};

/** The web server mints them with our own mint. */
export const requestIdOf = (request: FastifyRequest): RequestId => request.id as RequestId;

export const bodyOf = (request: FastifyRequest): Uint8Array =>
  Buffer.isBuffer(request.body) ? request.body : Buffer.alloc(0);
