import { setTimeout as sleep } from 'node:timers/promises';
import type { NatsConnection } from '@nats-io/transport-node';
import type { Logger } from '#domain/ports';
import { openStreamPublish } from './stream-publish.ts';

const PUBLISH_TIMEOUT_MS = 2_000;
const BACK_OFF_MAX_MS = 5_000;

export type StoredMessage = {
  subject: string;
  message: string | Uint8Array;
  /** By which the stream knows a repeated publish. */
  messageId: string;
  /** What a log line says of it. */
  details: object;
};

export type StoredPublisher = {
  publish: (message: StoredMessage) => void;
  /** Resolves when the stream has all that was published so far. */
  flushed: () => Promise<void>;
};

/**
 * Hands a message to the connection's outbox before it returns, so whatever is sent on the same connection
 * afterwards arrives after it, and repeats it until the stream has it. `what` begins a log line.
 */
export const createStoredPublisher = (
  connection: NatsConnection,
  logger: Logger,
  what: string,
): StoredPublisher => {
  const publish = openStreamPublish(connection);
  const pending = new Set<Promise<void>>();

  const publishUntilStored = async ({ subject, message, messageId, details }: StoredMessage) => {
    for (let tries = 1; ; tries += 1) {
      try {
        await publish(subject, message, { messageId, timeoutMs: PUBLISH_TIMEOUT_MS });
        return;
      } catch (error) {
        if (connection.isClosed()) {
          logger.error(details, `${what} could not be stored before the connection closed`);
          return;
        }
        const reason = error instanceof Error ? error.message : String(error);
        logger.warn({ ...details, reason }, `${what} is not stored yet; trying again`);
        await sleep(Math.min(BACK_OFF_MAX_MS, 100 * 2 ** Math.min(tries, 8)));
      }
    }
  };

  return {
    publish: (message) => {
      const stored = publishUntilStored(message).finally(() => pending.delete(stored));
      pending.add(stored);
    },
    flushed: async () => {
      await Promise.all(pending);
    },
  };
};
