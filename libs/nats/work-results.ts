import type { NatsConnection } from '@nats-io/transport-node';
import { workResultSubject } from '#contracts/subjects';
import type { WorkResult } from '#contracts/work-result';
import type { Logger } from '#domain/ports';
import { encodeEnvelope } from './envelope.ts';
import { createStoredPublisher } from './stored-publisher.ts';

export type WorkResultPublisher = {
  /** Repeated until the stream has it. */
  publish: (result: WorkResult) => void;
  flushed: () => Promise<void>;
};

export const createWorkResultPublisher = (
  connection: NatsConnection,
  logger: Logger,
): WorkResultPublisher => {
  const { publish, flushed } = createStoredPublisher(connection, logger, 'a result');
  return {
    publish: ({ header, body }) =>
      publish({
        subject: workResultSubject(header.tenantId),
        message: encodeEnvelope(header, body),
        messageId: `${header.workItemId}.${header.attempts}`,
        details: { workItemId: header.workItemId },
      }),
    flushed,
  };
};
