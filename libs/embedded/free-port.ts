import { createServer } from 'node:net';

/** A TCP port of 127.0.0.1 that nothing listens on at this moment; someone else may still take it. */
export const findFreePort = (): Promise<number> =>
  new Promise((resolve, reject) => {
    const server = createServer();
    server.once('error', reject);
    server.listen(0, '127.0.0.1', () => {
      const address = server.address();
      server.close(() => {
        if (address === null || typeof address === 'string') reject(new Error('No TCP port was assigned.'));
        else resolve(address.port);
      });
    });
  });
