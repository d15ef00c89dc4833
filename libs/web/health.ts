import type { FastifyInstance } from 'fastify';

/** `/healthz`: the process answers. `/readyz`: it can do its work, else 503. */
export const registerHealth = (
  app: FastifyInstance,
  { ready }: { ready: () => boolean | Promise<boolean> },
): void => {
  app.get('/healthz', () => ({ status: 'ok' }));
  app.get('/readyz', async (_request, reply) => {
    const isReady = await ready();
    return reply.code(isReady ? 200 : 503).send({ status: isReady ? 'ready' : 'not_ready' });
  });
};
