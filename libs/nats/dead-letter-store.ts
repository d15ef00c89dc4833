import { DeliverPolicy, jetstream, jetstreamManager, JetStreamApiError } from '@nats-io/jetstream';
import type { NatsConnection } from '@nats-io/transport-node';
import { deadLetter, type DeadLetter } from '#contracts/dead-letter';
import { DEAD_LETTER_STREAM, deadLetterSubject } from '#contracts/subjects';
import { decodeEnvelope } from './envelope.ts';

const NOT_FOUND = 404;
const DELETE_FAILED = 10_057;
const PUBLISH_TIMEOUT_MS = 5_000;
const LIST_EXPIRES_MS = 2_000;

export type StoredDeadLetter = { sequence: number; letter: DeadLetter; payload: Uint8Array };

/** Every method rejects with the driver's error where the server cannot be reached. */
export type DeadLetterStore = {
  /** Oldest first, those after a sequence. */
  list: (query: { afterSequence: number; limit: number; stream?: string }) => Promise<StoredDeadLetter[]>;
  find: (sequence: number) => Promise<StoredDeadLetter | null>;
  /** Puts the message back where it was, as a new one, and removes the letter. */
  replay: (stored: StoredDeadLetter) => Promise<void>;
  remove: (sequence: number) => Promise<boolean>;
  /** Resolves to how many there were. */
  purge: (stream?: string) => Promise<number>;
};

/** How the server answers where there is no such message: to a read, and to a removal. */
const isMissing = (error: unknown): boolean =>
  error instanceof JetStreamApiError && (error.status === NOT_FOUND || error.code === DELETE_FAILED);

const orNull = (error: unknown): null => {
  if (isMissing(error)) return null;
  throw error;
};

const decodeStored = (message: { seq: number; data: Uint8Array }): StoredDeadLetter | null => {
  try {
    const { header, bytes } = decodeEnvelope(message.data);
    return { sequence: message.seq, letter: deadLetter.parse(header), payload: bytes };
  } catch {
    return null;
  }
};

export const createDeadLetterStore = (connection: NatsConnection): DeadLetterStore => {
  const manager = jetstreamManager(connection, { checkAPI: false });
  const client = jetstream(connection);
  const { name } = DEAD_LETTER_STREAM;

  return {
    list: async ({ afterSequence, limit, stream }) => {
      const consumer = await client.consumers.get(name, {
        filter_subjects: stream === undefined ? DEAD_LETTER_STREAM.subjects[0] : deadLetterSubject(stream),
        deliver_policy: DeliverPolicy.StartSequence,
        opt_start_seq: afterSequence + 1,
      });
      const letters: StoredDeadLetter[] = [];
      if ((await consumer.info()).num_pending === 0) return letters;
      const messages = await consumer.fetch({ max_messages: limit, expires: LIST_EXPIRES_MS });
      for await (const message of messages) {
        const stored = decodeStored(message);
        if (stored !== null) letters.push(stored);
        if (message.info.pending === 0) break;
      }
      return letters;
    },
    find: async (sequence) => {
      const { streams } = await manager;
      const message = await streams.getMessage(name, { seq: sequence }).catch(orNull);
      return message === null ? null : decodeStored(message);
    },
    replay: async ({ sequence, letter, payload }) => {
      await client.publish(letter.subject, payload, {
        // Not the message's own id, which the queue may still know.
        msgID: `replay.${sequence}.${letter.messageId ?? ''}`,
        timeout: PUBLISH_TIMEOUT_MS,
      });
      const { streams } = await manager;
      await streams.deleteMessage(name, sequence).catch(orNull);
    },
    remove: async (sequence) => {
      const { streams } = await manager;
      return (await streams.deleteMessage(name, sequence).catch(orNull)) ?? false;
    },
    purge: async (stream) => {
      const { streams } = await manager;
      const { purged } = await streams.purge(
        name,
        stream === undefined ? undefined : { filter: deadLetterSubject(stream) },
      );
      return purged;
    },
  };
};
