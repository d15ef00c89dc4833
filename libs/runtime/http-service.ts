/** A web server as one of the services of a process. */
import { createServer } from 'node:net';
import type { FastifyInstance } from 'fastify';
import { listen } from '#web/listen';
import type { Logger } from './logger.ts';
import type { Service } from './service.ts';

export type Address = { host: string; port: number };

export type HttpService = Service & {
  /** `http://host:port` with the port that was taken; throws before it listens. */
  url: () => string;
};

/** A sentence for what the system says of an address; other errors stay as they are. */
export const explainListenError = (error: unknown, { host, port }: Address): unknown => {
  const code = error instanceof Error && 'code' in error ? error.code : undefined;
  const sentences: Record<string, string> = {
    EADDRINUSE: `Port ${port} of ${host} is taken by another program: stop that one, or set FLO2_PORT to another port (0 takes a free one).`,
    EACCES: `This user may not listen on port ${port}: set FLO2_PORT to 1024 or higher.`,
    EADDRNOTAVAIL: `${host} is not an address of this machine: set FLO2_HOST to one that is, or to 0.0.0.0 for all.`,
    ENOTFOUND: `The name ${host} is not known: set FLO2_HOST to an address of this machine.`,
  };
  const sentence = typeof code === 'string' ? sentences[code] : undefined;
  return sentence === undefined ? error : new Error(sentence, { cause: error });
};

/** Rejects with a sentence when the address cannot be listened on at this moment. */
export const probeAddress = (address: Address): Promise<void> =>
  new Promise((resolve, reject) => {
    const server = createServer();
    server.once('error', (error) => reject(explainListenError(error, address)));
    server.listen(address, () => server.close(() => resolve()));
  });

/** A URL that a program on this machine can call. */
const encodeUrl = (host: string, port: number): string => {
  const reachable = host === '0.0.0.0' ? '127.0.0.1' : host === '::' ? '::1' : host;
  return `http://${reachable.includes(':') ? `[${reachable}]` : reachable}:${port}`;
};

/** How long a stop waits for answers in hand before it breaks them off; long ones are drained before. */
const STOP_WAIT_MS = 5_000;

export type HttpOptions = Address & {
  logger: Logger;
};

export const createHttpService = (app: FastifyInstance, options: HttpOptions): HttpService => {
  const address = { host: options.host, port: options.port };
  let url: string | null = null;
  return {
    name: 'http',
    start: async () => {
      try {
        await listen(app, address);
      } catch (error) {
        throw explainListenError(error, address);
      }
      const bound = app.server.address();
      url = encodeUrl(address.host, typeof bound === 'object' && bound !== null ? bound.port : address.port);
      options.logger.info({ url }, 'listening');
    },
    stop: async () => {
      const breakOff = setTimeout(() => app.server.closeAllConnections(), STOP_WAIT_MS);
      await app.close();
      clearTimeout(breakOff);
    },
    ready: () => url !== null,
    url: () => {
      if (url === null) throw new Error('the web server does not listen yet');
      return url;
    },
  };
};
