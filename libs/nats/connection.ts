import { setTimeout as sleep } from 'node:timers/promises';
import { connect, type NatsConnection } from '@nats-io/transport-node';
import type { Logger } from '#domain/ports';

export type NatsConnectionOptions = {
  /** `nats://user:password@host:port`, several separated by commas. */
  url: string;
  /** Shown in the server's list of connections. */
  name: string;
  logger: Logger;
  /** How long to wait for the server at first. @default 30_000 */
  waitMs?: number;
};

const RETRY_MS = 500;
const PING_INTERVAL_MS = 5_000;

/** The driver takes credentials as options, not from the address. */
const readServers = (text: string) => {
  const urls = text.split(',').map((server) => new URL(server.trim()));
  const [first] = urls;
  return {
    servers: urls.map((url) => url.host),
    ...(first !== undefined &&
      first.username !== '' && {
        user: decodeURIComponent(first.username),
        pass: decodeURIComponent(first.password),
      }),
    ...(urls.some((url) => url.protocol === 'tls:') && { tls: {} }),
  };
};

/** Connects, and reconnects for ever. Rejects when no server answers within `waitMs`. */
export const connectNats = async (options: NatsConnectionOptions): Promise<NatsConnection> => {
  const { logger } = options;
  const servers = readServers(options.url);
  const giveUpAtMs = Date.now() + (options.waitMs ?? 30_000);
  for (;;) {
    try {
      const connection = await connect({
        ...servers,
        name: options.name,
        maxReconnectAttempts: -1,
        reconnectTimeWait: 100,
        reconnectJitter: 200,
        pingInterval: PING_INTERVAL_MS,
        maxPingOut: 2,
        noAsyncTraces: true,
      });
      void tellOfTrouble(connection, logger);
      return connection;
    } catch (error) {
      if (Date.now() > giveUpAtMs) {
        throw new Error(
          `No NATS server could be used at ${servers.servers.join(', ')}: ${error instanceof Error ? error.message : String(error)}`,
          { cause: error },
        );
      }
      await sleep(RETRY_MS);
    }
  }
};

const tellOfTrouble = async (connection: NatsConnection, logger: Logger): Promise<void> => {
  for await (const status of connection.status()) {
    if (status.type === 'disconnect') logger.warn({ server: status.server }, 'the NATS connection is lost');
    else if (status.type === 'reconnect') logger.info({ server: status.server }, 'reconnected to NATS');
    else if (status.type === 'error') logger.error({ error: status.error.message }, 'NATS reports an error');
    else if (status.type === 'slowConsumer') {
      logger.error({ pending: status.pending }, 'NATS messages come faster than they are read');
    }
  }
};

/** Whether the connection stands; while it does not, the driver buffers what is sent without a bound. */
export type ConnectionWatch = { connected: () => boolean; onReconnect: (callback: () => void) => void };

export const watchConnection = (connection: NatsConnection): ConnectionWatch => {
  let connected = !connection.isClosed();
  const callbacks: (() => void)[] = [];
  const watch = async (): Promise<void> => {
    for await (const status of connection.status()) {
      if (status.type === 'disconnect' || status.type === 'close') connected = false;
      else if (status.type === 'reconnect') {
        connected = true;
        for (const callback of callbacks) callback();
      }
    }
  };
  void watch();
  return { connected: () => connected, onReconnect: (callback) => callbacks.push(callback) };
};
