import type { FastifyInstance, FastifyRequest } from 'fastify';
import type { RequestId } from '#contracts/ids';
import type { SurfaceId } from '#contracts/vocabulary';

/** Where each dialect's requests come in. */
export const INFERENCE_ROUTES: readonly { path: string; surface: SurfaceId }[] = [
  { path: '/v1/chat/completions', surface: 'openai-chat' },
  { path: '/v1/messages', surface: 'anthropic-messages' },
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
