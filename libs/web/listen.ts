import type { FastifyInstance } from 'fastify';

/** Connections that may wait to be taken; with fewer, a crowd's wait for a second to try again. */
const BACKLOG = 4_096;

/** Rejects with the system's error where the address cannot be had. */
export const listen = async (
  app: FastifyInstance,
  address: { host: string; port: number },
): Promise<void> => {
  await app.listen({ ...address, backlog: BACKLOG });
};
