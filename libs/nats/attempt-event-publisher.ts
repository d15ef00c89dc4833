import { setTimeout as sleep } from 'node:timers/promises';
import { jetstream } from '@nats-io/jetstream';
import type { NatsConnection } from '@nats-io/transport-node';
import type { AttemptEvent } from '#contracts/attempt-event';
import { attemptEventSubject } from '#contracts/subjects';
import type { Logger } from '#domain/ports';
import { outboxOf } from './outbox.ts';

const PUBLISH_TIMEOUT_MS = 2_000;
const BACK_OFF_MAX_MS = 5_000;

export type AttemptEventPublisher = {
  /**
   * Hands the event to the connection's outbox before it returns, so whatever is sent on the same
   * connection afterwards arrives after it, and repeats it until the stream has it. Holds as many events as there
   * are attempts whose event is not stored yet; new attempts need the same server for their grant.
   */
  publish: (event: AttemptEvent) => void;
  /** Resolves when the stream has every event published so far. */
  flushed: () => Promise<void>;
};

export const createAttemptEventPublisher = (
  connection: NatsConnection,
  logger: Logger,
): AttemptEventPublisher => {
  const client = jetstream(connection);
  const outbox = outboxOf(connection);
  const pending = new Set<Promise<void>>();

  const publishUntilStored = async (event: AttemptEvent): Promise<void> => {
    const message = JSON.stringify(event);
    const options = { msgID: `${event.attemptId}.${event.revision}`, timeout: PUBLISH_TIMEOUT_MS };
    for (let tries = 1; ; tries += 1) {
      try {
        await outbox.request(() => client.publish(attemptEventSubject(event.tenantId), message, options));
        return;
      } catch (error) {
        const { attemptId } = event;
        if (connection.isClosed()) {
          logger.error({ attemptId }, 'an attempt event could not be stored before the connection closed');
          return;
        }
        const reason = error instanceof Error ? error.message : String(error);
        logger.warn({ attemptId, reason }, 'an attempt event is not stored yet; trying again');
        await sleep(Math.min(BACK_OFF_MAX_MS, 100 * 2 ** Math.min(tries, 8)));
      }
    }
  };

  return {
    publish: (event) => {
      const stored = publishUntilStored(event).finally(() => pending.delete(stored));
      pending.add(stored);
    },
    flushed: async () => {
      await Promise.all(pending);
    },
  };
};
