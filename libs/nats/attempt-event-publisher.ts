import type { NatsConnection } from '@nats-io/transport-node';
import type { AttemptEvent } from '#contracts/attempt-event';
import { attemptEventSubject } from '#contracts/subjects';
import type { Logger } from '#domain/ports';
import { createStoredPublisher } from './stored-publisher.ts';

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
  const { publish, flushed } = createStoredPublisher(connection, logger, 'an attempt event');
  return {
    publish: (event) =>
      publish({
        subject: attemptEventSubject(event.tenantId),
        message: JSON.stringify(event),
        messageId: `${event.attemptId}.${event.revision}`,
        details: { attemptId: event.attemptId },
      }),
    flushed,
  };
};
