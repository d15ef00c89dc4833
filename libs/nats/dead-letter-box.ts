import { jetstream, jetstreamManager, JetStreamApiError, type JsMsg } from '@nats-io/jetstream';
import type { NatsConnection } from '@nats-io/transport-node';
import { maxDeliveriesAdvisory, type DeadLetter, type DeadLetterReason } from '#contracts/dead-letter';
import { tenantId as tenantIdSchema, type TenantId } from '#contracts/ids';
import { ADVISORY_STREAM, BURIAL_CONSUMER, deadLetterSubject, EVENT_STREAM } from '#contracts/subjects';
import { encodeEnvelope } from './envelope.ts';

/** With its description it has to fit one message of 8 MiB. */
const KEPT_BYTES_MAX = 8 * 1024 * 1024 - 64 * 1024;
const PUBLISH_TIMEOUT_MS = 5_000;
const MESSAGE_ID_HEADER = 'Nats-Msg-Id';
const NOT_FOUND = 404;

export type Verdict = { reason: DeadLetterReason; explanation: string };

type Corpse = {
  stream: string;
  subject: string;
  streamSequence: number;
  deliveries: number;
  messageId: string | null;
  bytes: Uint8Array;
};

/** The last token of a dispatch's subject names its tenant. */
const tenantOf = (subject: string): TenantId | null =>
  tenantIdSchema.safeParse(subject.split('.').at(-1)).data ?? null;

const publishLetter = async (connection: NatsConnection, corpse: Corpse, verdict: Verdict): Promise<void> => {
  const { bytes, ...found } = corpse;
  const letter: DeadLetter = {
    version: 1,
    ...verdict,
    ...found,
    tenantId: tenantOf(corpse.subject),
    diedAtMs: Date.now(),
    bytes: bytes.length,
    truncated: bytes.length > KEPT_BYTES_MAX,
  };
  const message = encodeEnvelope(letter, bytes.subarray(0, KEPT_BYTES_MAX));
  await jetstream(connection).publish(deadLetterSubject(corpse.stream), message, {
    // Whoever buries it twice, after a lost acknowledgement, has buried it once.
    msgID: `${corpse.stream}.${corpse.streamSequence}`,
    timeout: PUBLISH_TIMEOUT_MS,
  });
};

/**
 * Puts a message among the dead letters and then takes it off its queue. Rejects where the server cannot be
 * reached, and then the message stays where it was.
 */
export const bury = async (connection: NatsConnection, message: JsMsg, verdict: Verdict): Promise<void> => {
  await publishLetter(
    connection,
    {
      stream: message.info.stream,
      subject: message.subject,
      streamSequence: message.seq,
      deliveries: message.info.deliveryCount,
      messageId: message.headers?.get(MESSAGE_ID_HEADER) || null,
      bytes: message.data,
    },
    verdict,
  );
  message.term(verdict.reason);
};

/** Streams whose messages others read too: a copy is kept, and the message left. */
const SHARED_STREAMS: ReadonlySet<string> = new Set([EVENT_STREAM.name]);

const buryByAdvisory = async (connection: NatsConnection, advisoryMessage: JsMsg): Promise<void> => {
  const advisory = maxDeliveriesAdvisory.parse(advisoryMessage.json());
  const { streams } = await jetstreamManager(connection);
  const { stream, stream_seq: streamSequence } = advisory;
  const stored = await streams.getMessage(stream, { seq: streamSequence }).catch((error: unknown) => {
    if (error instanceof JetStreamApiError && error.status === NOT_FOUND) return null;
    throw error;
  });
  // Somebody acknowledged it after all.
  if (stored === null) return;
  const verdict: Verdict = {
    reason: 'exhausted',
    explanation: `It was delivered ${advisory.deliveries} times to ${advisory.consumer}, and never acknowledged.`,
  };
  await publishLetter(
    connection,
    {
      stream,
      subject: stored.subject,
      streamSequence,
      deliveries: advisory.deliveries,
      messageId: stored.header.get(MESSAGE_ID_HEADER) || null,
      bytes: stored.data,
    },
    verdict,
  );
  if (!SHARED_STREAMS.has(stream)) await streams.deleteMessage(stream, streamSequence);
};

/**
 * Buries what JetStream itself has given up on: at its last delivery a work queue's message stays for ever.
 * Takes what has come within `expiresMs`, and resolves to how many. Rejects where the server cannot be reached.
 */
export const buryAbandoned = async (
  connection: NatsConnection,
  options: { expiresMs: number; onUnreadable: () => void },
): Promise<number> => {
  const consumer = await jetstream(connection).consumers.get(ADVISORY_STREAM.name, BURIAL_CONSUMER);
  const messages = await consumer.fetch({ max_messages: 100, expires: options.expiresMs });
  let count = 0;
  for await (const message of messages) {
    try {
      await buryByAdvisory(connection, message);
      count += 1;
    } catch (error) {
      if (connection.isClosed()) throw error;
      options.onUnreadable();
      message.nak(10_000);
      continue;
    }
    message.ack();
  }
  return count;
};
