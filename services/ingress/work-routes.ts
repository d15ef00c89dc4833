import type { FastifyError, FastifyInstance } from 'fastify';
import type { SurfaceId } from '#contracts/vocabulary';
import type { FloError } from '#domain/errors';
import type { Logger } from '#domain/ports';
import { explainStoreError } from '#postgres/unreachable';
import { surfaceOf } from '#surfaces/registry';
import { encodePlainError } from '#web/plain-error';
import { readServerError } from '#web/server';
import { registerBatchRoutes, type BatchRouteDeps } from './batches.ts';
import { registerFileRoutes, type FileRouteDeps } from './files.ts';
import { registerJobRoutes, type JobRouteDeps } from './jobs.ts';
import { registerMessageBatchRoutes, type MessageBatchRouteDeps } from './message-batches.ts';
import { requestIdOf } from './routes.ts';

export type WorkRouteDeps = JobRouteDeps &
  FileRouteDeps &
  BatchRouteDeps &
  MessageBatchRouteDeps & { logger: Logger };

/** Null is flo2's own dialect. */
type Dialect = SurfaceId | null;

/** Everything that is asked now and answered later: jobs, and files and batches in their dialects. */
export const registerWorkRoutes = (app: FastifyInstance, deps: WorkRouteDeps): void => {
  const read = (thrown: FastifyError, requestId: string): FloError => {
    const trouble = explainStoreError(thrown, 'Work cannot be stored or read now. Try again shortly.');
    if (trouble !== null) {
      if (trouble.code === 'storage_full')
        deps.logger.error({ requestId, err: thrown }, 'there is no room to store work');
      return trouble;
    }
    const error = readServerError(thrown, deps.bodyLimitBytes);
    if (error.code === 'internal')
      deps.logger.error({ requestId, err: thrown }, 'a request failed inside flo2');
    return error;
  };
  const inDialect = (dialect: Dialect, register: (scope: FastifyInstance) => void): void => {
    app.register(async (scope) => {
      scope.setErrorHandler((thrown: FastifyError, request, reply) => {
        const requestId = requestIdOf(request);
        const error = read(thrown, requestId);
        const { status, headers, body } =
          dialect === null
            ? encodePlainError(error, requestId)
            : surfaceOf(dialect).encodeError(error, requestId);
        return reply.code(status).headers(headers).header('x-flo2-request-id', requestId).send(body);
      });
      register(scope);
    });
  };
  inDialect(null, (scope) => registerJobRoutes(scope, deps));
  inDialect('openai-chat', (scope) => {
    registerFileRoutes(scope, deps);
    registerBatchRoutes(scope, deps);
  });
  inDialect('anthropic-messages', (scope) => registerMessageBatchRoutes(scope, deps));
};
