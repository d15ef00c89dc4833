/** A load balancer as small as can be: new connections go in turn to whoever says that it is ready. */
import { createServer, connect as connectSocket, type AddressInfo } from 'node:net';

export type Balancer = {
  url: string;
  /** Base URLs of ingresses. */
  setTargets: (urls: readonly string[]) => void;
  /** Resolves once so many are ready. */
  ready: (count: number) => Promise<void>;
  close: () => Promise<void>;
};

const POLL_MS = 50;

export const startBalancer = async (): Promise<Balancer> => {
  let targets: readonly string[] = [];
  let ready: readonly string[] = [];
  let turn = 0;
  const poll = async (): Promise<void> => {
    const states = await Promise.all(
      targets.map((url) =>
        fetch(`${url}/readyz`).then(
          (answer) => answer.status === 200,
          () => false,
        ),
      ),
    );
    ready = targets.filter((_, index) => states[index] === true);
  };
  const timer = setInterval(() => void poll(), POLL_MS);
  const server = createServer((client) => {
    const target = ready[turn % Math.max(1, ready.length)];
    turn += 1;
    if (target === undefined) return client.destroy();
    const { hostname, port } = new URL(target);
    const upstream = connectSocket(Number(port), hostname);
    client.pipe(upstream).pipe(client);
    client.on('error', () => upstream.destroy());
    upstream.on('error', () => client.destroy());
    client.on('close', () => upstream.destroy());
    upstream.on('close', () => client.destroySoon());
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  return {
    url: `http://127.0.0.1:${port}`,
    setTargets: (urls) => {
      targets = urls;
    },
    ready: async (count) => {
      while (ready.length < count) await poll();
    },
    close: async () => {
      clearInterval(timer);
      await new Promise((resolve) => server.close(resolve));
    },
  };
};
