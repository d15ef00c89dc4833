import type { FastifyError, FastifyInstance } from 'fastify';
import { surfaceOf } from '#surfaces/registry';
import type { SurfaceId } from '#contracts/vocabulary';
import { readServerError } from '#web/server';
import { registerBatchRoutes, type BatchRouteDeps } from './batches.ts';
import { registerFileRoutes, type FileRouteDeps } from './files.ts';
import { registerJobRoutes, type JobRouteDeps } from './jobs.ts';
import { registerMessageBatchRoutes, type MessageBatchRouteDeps } from './message-batches.ts';
import { requestIdOf } from './routes.ts';

export type WorkRouteDeps = JobRouteDeps & FileRouteDeps & BatchRouteDeps & MessageBatchRouteDeps;

/** Everything that is asked now and answered later: jobs, and files and batches in their dialects. */
export const registerWorkRoutes = (app: FastifyInstance, deps: WorkRouteDeps): void => {
  const inDialect = (id: SurfaceId, register: (scope: FastifyInstance) => void): void => {
    const surface = surfaceOf(id);
    app.register(async (scope) => {
      scope.setErrorHandler((error: FastifyError, request, reply) => {
        const requestId = requestIdOf(request);
        const { status, headers, body } = surface.encodeError(
          readServerError(error, deps.bodyLimitBytes),
          requestId,
        );
        return reply.code(status).headers(headers).header('x-flo2-request-id', requestId).send(body);
      });
      register(scope);
    });
  };
  app.register(async (scope) => registerJobRoutes(scope, deps));
  inDialect('openai-chat', (scope) => {
    registerFileRoutes(scope, deps);
    registerBatchRoutes(scope, deps);
  });
  inDialect('anthropic-messages', (scope) => registerMessageBatchRoutes(scope, deps));
};
