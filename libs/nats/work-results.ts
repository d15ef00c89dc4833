import { setTimeout as sleep } from 'node:timers/promises';
import { jetstream, jetstreamManager } from '@nats-io/jetstream';
import type { NatsConnection } from '@nats-io/transport-node';
import { INLINE_BYTES_MAX, RESULT_CONSUMER, RESULT_STREAM, workResultSubject } from '#contracts/subjects';
import { workResultHeader, type WorkResult } from '#contracts/work-result';
import type { Logger } from '#domain/ports';
import type { ReceivedResult } from '#domain/work-ports';
import { decodeEnvelope, encodeEnvelope } from './envelope.ts';
import type { PayloadStore } from './payload-store.ts';
import { PullingSource } from './pulling-source.ts';
import { createStoredPublisher } from './stored-publisher.ts';

const CHECK_IN_BACK_OFF_MAX_MS = 5_000;

export type WorkResultPublisher = {
  /** Repeated until the stream has it. */
  publish: (result: WorkResult) => void;
  flushed: () => Promise<void>;
};

export const createWorkResultPublisher = (
  connection: NatsConnection,
  payloads: PayloadStore,
  logger: Logger,
): WorkResultPublisher => {
  const { publish, flushed } = createStoredPublisher(connection, logger, 'a result');
  const checkingIn = new Set<Promise<void>>();

  const send = ({ header, body }: WorkResult): void =>
    publish({
      subject: workResultSubject(header.tenantId),
      message: encodeEnvelope(header, body),
      messageId: `${header.workItemId}.${header.attempts}`,
      details: { workItemId: header.workItemId },
    });

  const checkIn = async ({ header, body }: WorkResult): Promise<void> => {
    const { workItemId } = header;
    for (let tries = 1; !connection.isClosed(); tries += 1) {
      try {
        const payload = await payloads.put(workItemId, body);
        return send({ header: { ...header, payload }, body: new Uint8Array() });
      } catch {
        logger.warn({ workItemId }, 'a large result is not stored yet; trying again');
        await sleep(Math.min(CHECK_IN_BACK_OFF_MAX_MS, 100 * 2 ** Math.min(tries, 8)));
      }
    }
  };

  return {
    publish: (result) => {
      if (result.body.length <= INLINE_BYTES_MAX) return send(result);
      const checkedIn = checkIn(result).finally(() => checkingIn.delete(checkedIn));
      checkingIn.add(checkedIn);
    },
    flushed: async () => {
      await Promise.all(checkingIn);
      await flushed();
    },
  };
};

export type WorkResultSource = {
  /** As `AttemptEventSource`; one that cannot be read is removed and told to `onUnreadable`. */
  fetch: (options: { maxMessages: number; expiresMs: number }) => Promise<ReceivedResult[]>;
  release: () => Promise<void>;
};

export const openWorkResultSource = async (
  connection: NatsConnection,
  payloads: PayloadStore,
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
          const { payload } = result.header;
          if (payload === undefined) {
            received.push({ result, ack: () => message.ack(), retryLater: () => message.nak() });
            continue;
          }
          const body = await payloads.get(payload).catch(() => null);
          if (body === null) {
            message.nak(CHECK_IN_BACK_OFF_MAX_MS);
            continue;
          }
          const ack = (): void => {
            message.ack();
            void payloads.remove(payload.name);
          };
          received.push({ result: { ...result, body }, ack, retryLater: () => message.nak() });
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
