import { setTimeout as sleep } from 'node:timers/promises';
import { jetstream, jetstreamManager } from '@nats-io/jetstream';
import { millis, type NatsConnection } from '@nats-io/transport-node';
import type { TenantId } from '#contracts/ids';
import {
  INLINE_BYTES_MAX,
  PAYLOAD_BUCKET,
  RESULT_CONSUMER,
  RESULT_STREAM,
  workResultSubject,
} from '#contracts/subjects';
import { RESULTS_TOGETHER_MAX, workResultsHeader, type WorkResult } from '#contracts/work-result';
import { encodeWireError, FloError } from '#domain/errors';
import type { Clock, Logger } from '#domain/ports';
import type { ReceivedResults } from '#domain/work-ports';
import { decodeEnvelope, encodeEnvelope, EnvelopeError } from './envelope.ts';
import type { PayloadStore } from './payload-store.ts';
import { PullingSource } from './pulling-source.ts';
import { createStoredPublisher } from './stored-publisher.ts';
import { setAside } from './unreadable.ts';

const CHECK_IN_BACK_OFF_MAX_MS = 5_000;
/** How long a result waits for company: nobody waits for so little, and a message costs more than a result. */
const LINGER_MS = 5;
const TOGETHER_BYTES_MAX = 256 * 1024;

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
  const waiting = new Map<TenantId, { results: WorkResult[]; bytes: number }>();
  let lingering: NodeJS.Timeout | null = null;

  const sendTogether = (results: readonly WorkResult[]): void => {
    const [first] = results;
    if (first === undefined) return;
    const { workItemId, attempts, tenantId } = first.header;
    const header = { results: results.map((one) => ({ header: one.header, bytes: one.body.length })) };
    publish({
      subject: workResultSubject(tenantId),
      message: encodeEnvelope(header, Buffer.concat(results.map(({ body }) => body))),
      // Each result is in one message alone, so its first one names it.
      messageId: `${workItemId}.${attempts}`,
      details: { workItemId, results: results.length },
    });
  };

  const sendWaiting = (): void => {
    if (lingering !== null) clearTimeout(lingering);
    lingering = null;
    const groups = [...waiting.values()];
    waiting.clear();
    for (const { results } of groups) sendTogether(results);
  };

  const send = (result: WorkResult): void => {
    const { tenantId } = result.header;
    const group = waiting.get(tenantId) ?? { results: [], bytes: 0 };
    if (group.bytes + result.body.length > TOGETHER_BYTES_MAX) {
      sendTogether(group.results);
      group.results = [];
      group.bytes = 0;
    }
    group.results.push(result);
    group.bytes += result.body.length;
    waiting.set(tenantId, group);
    if (group.results.length === RESULTS_TOGETHER_MAX) {
      waiting.delete(tenantId);
      sendTogether(group.results);
    }
    lingering ??= setTimeout(sendWaiting, LINGER_MS);
  };

  const checkIn = async ({ header, body }: WorkResult): Promise<void> => {
    const { workItemId } = header;
    for (let tries = 1; !connection.isClosed(); tries += 1) {
      try {
        const payload = await payloads.put(workItemId, body);
        // By itself: a payload that cannot be read again must not hold up others.
        return sendTogether([{ header: { ...header, payload }, body: new Uint8Array() }]);
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
      sendWaiting();
      await flushed();
    },
  };
};

export type WorkResultSource = {
  /** As `AttemptEventSource`; one that cannot be read is buried and told to `onUnreadable`. */
  fetch: (options: { maxMessages: number; expiresMs: number }) => Promise<ReceivedResults[]>;
  release: () => Promise<void>;
};

/** Throws for a message that holds no results, or other bytes than it says. */
const decodeResults = (message: Uint8Array): WorkResult[] => {
  const { header, bytes } = decodeEnvelope(message);
  let start = 0;
  const results = workResultsHeader.parse(header).results.map((one) => {
    const body = bytes.subarray(start, start + one.bytes);
    start += one.bytes;
    return { header: one.header, body };
  });
  if (start !== bytes.length) throw new EnvelopeError('its bodies are not as long as it says');
  return results;
};

const ANSWER_GONE = encodeWireError(
  new FloError(
    'internal',
    'The answer was kept aside for its size, and was gone before it could be recorded.',
  ),
);

/** With its body, wherever that is; null where it cannot be had now. One that is not kept any more has failed. */
const redeem = async (
  result: WorkResult,
  payloads: PayloadStore,
  ageMs: number,
): Promise<WorkResult | null> => {
  const { payload, ...header } = result.header;
  if (payload === undefined) return result;
  const body = await payloads.get(payload).catch(() => null);
  if (body !== null) return { ...result, body };
  if (ageMs < PAYLOAD_BUCKET.maxAgeMs) return null;
  return { header: { ...header, outcome: { kind: 'failed', error: ANSWER_GONE } }, body: new Uint8Array() };
};

export const openWorkResultSource = async (options: {
  connection: NatsConnection;
  payloads: PayloadStore;
  clock: Clock;
  onUnreadable: (reason: string) => void;
}): Promise<WorkResultSource> => {
  const { connection, payloads, clock } = options;
  const consumer = await jetstream(connection).consumers.get(RESULT_STREAM.name, RESULT_CONSUMER);
  const source = new PullingSource(connection, consumer, async () => null);
  return {
    fetch: async (wanted) => {
      const received: ReceivedResults[] = [];
      const { messages } = await source.fetch(wanted);
      for (const message of messages) {
        let results: WorkResult[];
        try {
          results = decodeResults(message.data);
        } catch (error) {
          const explanation = await setAside(connection, message, 'a result of work', error);
          if (explanation !== null) options.onUnreadable(explanation);
          continue;
        }
        const ageMs = clock.nowMs() - millis(message.info.timestampNanos);
        const read = await Promise.all(results.map((result) => redeem(result, payloads, ageMs)));
        const whole = read.filter((result) => result !== null);
        if (whole.length < read.length) {
          message.nak(CHECK_IN_BACK_OFF_MAX_MS);
          continue;
        }
        const ack = (): void => {
          message.ack();
          for (const { header } of whole) {
            if (header.payload !== undefined) void payloads.remove(header.payload.name);
          }
        };
        received.push({ results: whole, ack, retryLater: () => message.nak() });
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
