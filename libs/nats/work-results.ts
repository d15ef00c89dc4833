import { jetstream, jetstreamManager } from '@nats-io/jetstream';
import type { NatsConnection } from '@nats-io/transport-node';
import { RESULT_CONSUMER, RESULT_STREAM, workResultSubject } from '#contracts/subjects';
import { workResultHeader, type WorkResult } from '#contracts/work-result';
import type { Logger } from '#domain/ports';
import type { ReceivedResult } from '#domain/work-ports';
import { decodeEnvelope, encodeEnvelope } from './envelope.ts';
import { PullingSource } from './pulling-source.ts';
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

export type WorkResultSource = {
  /** As `AttemptEventSource`; one that cannot be read is removed and told to `onUnreadable`. */
  fetch: (options: { maxMessages: number; expiresMs: number }) => Promise<ReceivedResult[]>;
  release: () => Promise<void>;
};

export const openWorkResultSource = async (
  connection: NatsConnection,
  onUnreadable: (reason: string) => void,
): Promise<WorkResultSource> => {
  const consumer = await jetstream(connection).consumers.get(RESULT_STREAM.name, RESULT_CONSUMER);
  const source = new PullingSource(connection, consumer, async () => null);
  return {
    fetch: async (options) => {
      const received: ReceivedResult[] = [];
      const { messages } = await source.fetch(options);
      for (const message of messages) {
        try {
          const { header, bytes } = decodeEnvelope(message.data);
          const result = { header: workResultHeader.parse(header), body: bytes };
          received.push({ result, ack: () => message.ack(), retryLater: () => message.nak() });
        } catch (error) {
          message.term('unreadable');
          onUnreadable(error instanceof Error ? error.name : 'unknown');
        }
      }
      return received;
    },
    release: () => source.release(),
  };
};

/** How far results have been stored, by their sequence in the stream. */
export type ResultProgress = {
  /** The newest result there is. */
  last: () => Promise<number>;
  /** Up to which all results are acknowledged. */
  acknowledged: () => Promise<number>;
};

export const openResultProgress = async (connection: NatsConnection): Promise<ResultProgress> => {
  const manager = await jetstreamManager(connection);
  return {
    last: async () => (await manager.streams.info(RESULT_STREAM.name)).state.last_seq,
    acknowledged: async () => {
      const {
        ack_floor: floor,
        num_pending: pending,
        num_ack_pending: unacknowledged,
        delivered,
      } = await manager.consumers.info(RESULT_STREAM.name, RESULT_CONSUMER);
      // With nothing under way all that was delivered is done, whatever the floor says of removed ones.
      return pending === 0 && unacknowledged === 0
        ? Number.MAX_SAFE_INTEGER
        : Math.min(floor.stream_seq, delivered.stream_seq);
    },
  };
};
