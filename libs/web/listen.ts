import type { FastifyInstance } from 'fastify';

/** Rejects with the system's error where the address cannot be had. */
export const listen = async (
  app: FastifyInstance,
  address: { host: string; port: number },
): Promise<void> => {
  await app.listen(address);
};
