import { jetstream } from '@nats-io/jetstream';
import type { NatsConnection } from '@nats-io/transport-node';
import { DISPATCHES_TOGETHER_MAX, type Dispatch, type DispatchHeader } from '#contracts/dispatch';
import { dispatchStreamName, dispatchSubject, workerConsumer } from '#contracts/subjects';
import type { Lane, ProviderId } from '#contracts/vocabulary';
import { FloError } from '#domain/errors';
import { bury, type Verdict } from './dead-letter-box.ts';
import { packDispatches, unpackDispatches } from './dispatch-pack.ts';
import { decodeEnvelope, encodeEnvelope } from './envelope.ts';
import { outboxOf } from './outbox.ts';
import { openStreamPublish, StreamRefusal } from './stream-publish.ts';
import { setAside } from './unreadable.ts';

const PUBLISH_TIMEOUT_MS = 2_000;
const PUBLISH_TRIES = 3;
/** The server's codes for a subject, or the stream, that holds as much as it may. */
const FULL_CODES = new Set([10_077, 10_122]);

export type DispatchPublisher = {
  /**
   * Resolves when the stream has it. Rejects with `FloError` `queue_full`, or `unavailable` when the
   * stream cannot be reached; a repeated publish of the same request, step and attempt is stored once.
   */
  publish: (dispatch: Dispatch) => Promise<void>;
  /**
   * As `publish`, for a dispatch that carries no body: what is given in one moment for one subject shares
   * messages, `size` to each at most, and what becomes of a message becomes of all in it.
   */
  publishTogether: (header: DispatchHeader, size: number) => Promise<void>;
};

const isFull = (error: unknown): boolean => error instanceof StreamRefusal && FULL_CODES.has(error.code);

const subjectOf = (header: DispatchHeader): string => {
  const step = header.plan.steps[header.step];
  if (step === undefined) throw new FloError('internal', 'The plan has no such step.');
  const { lane, tenantId } = header;
  return dispatchSubject({ lane, provider: step.provider, model: step.model, tenantId });
};

type Together = { header: DispatchHeader; resolve: () => void; reject: (error: unknown) => void };

export const createDispatchPublisher = (connection: NatsConnection): DispatchPublisher => {
  const publish = openStreamPublish(connection);

  /** `first` names the message. */
  const send = async (subject: string, message: Uint8Array, first: DispatchHeader): Promise<void> => {
    const messageId = `${first.requestId}.${first.step}.${first.firstAttempt}`;
    for (let tries = 1; ; tries += 1) {
      try {
        await publish(subject, message, { messageId, timeoutMs: PUBLISH_TIMEOUT_MS });
        return;
      } catch (error) {
        if (isFull(error)) {
          const step = first.plan.steps[first.step];
          throw new FloError(
            'queue_full',
            `Too many requests wait for ${step?.provider}/${step?.model}. Try again shortly.`,
            { retryAfterMs: 1_000, cause: error },
          );
        }
        if (tries === PUBLISH_TRIES || connection.isClosed()) {
          throw new FloError('unavailable', 'The queue cannot be reached. Try again shortly.', {
            retryAfterMs: 1_000,
            cause: error,
          });
        }
      }
    }
  };

  let waiting = new Map<string, { size: number; together: Together[] }>();
  const sendWaiting = (): void => {
    const groups = waiting;
    waiting = new Map();
    for (const [subject, { size, together }] of groups) {
      let next = 0;
      const headers = together.map(({ header }) => header);
      for (const { first, header, count } of packDispatches(headers, size)) {
        const members = together.slice(next, next + count);
        next += count;
        send(subject, encodeEnvelope(header), first).then(
          () => members.forEach(({ resolve }) => resolve()),
          (error: unknown) => members.forEach(({ reject }) => reject(error)),
        );
      }
    }
  };

  return {
    publish: async ({ header, body }) => {
      const message = encodeEnvelope(header, header.payload === undefined ? body : undefined);
      await send(subjectOf(header), message, header);
    },
    publishTogether: (header, size) =>
      new Promise((resolve, reject) => {
        const subject = subjectOf(header);
        const group = waiting.get(subject) ?? { size: 1, together: [] };
        group.size = Math.min(DISPATCHES_TOGETHER_MAX, Math.max(1, Math.floor(size)));
        group.together.push({ header, resolve, reject });
        // After all that is ready to run now has run.
        if (waiting.size === 0) process.nextTick(sendWaiting);
        waiting.set(subject, group);
      }),
  };
};

/** A dispatch taken from the queue. Until `done` the server may deliver it again, to anybody. */
export type ReceivedDispatch = {
  dispatch: Dispatch;
  /** A message of several is acknowledged when all are done. */
  done: () => void;
  retryLater: () => void;
  /** 1 at the first. */
  deliveries: number;
  /** Puts it among the dead letters. Rejects where that cannot be done, and then it comes again. */
  bury: (verdict: Verdict) => Promise<void>;
};

export type DispatchSource = {
  /**
   * Yields messages as they come, `maxMessages` at most, and ends after `expiresMs`. Throws when the stream
   * cannot be reached. A message that is no dispatch is buried and told to `onUnreadable` (`unreadable.ts`).
   */
  fetch: (options: { maxMessages: number; expiresMs: number }) => AsyncIterable<ReceivedMessage>;
};

/** The dispatches of one message; `stillWaits` says that some have not been begun, so that it is not given away. */
export type ReceivedMessage = { dispatches: ReceivedDispatch[]; stillWaits: () => void };

export const openDispatchSource = async (options: {
  connection: NatsConnection;
  lane: Lane;
  provider: ProviderId;
  onUnreadable: (reason: string) => void;
}): Promise<DispatchSource> => {
  const { name } = workerConsumer(options.lane, options.provider);
  const { connection } = options;
  const outbox = outboxOf(connection);
  const consumer = await jetstream(connection).consumers.get(dispatchStreamName(options.lane), name);
  return {
    fetch: async function* ({ maxMessages, expiresMs }) {
      const messages = await consumer.fetch({ max_messages: maxMessages, expires: expiresMs });
      for await (const message of messages) {
        let dispatches: Dispatch[];
        try {
          const { header, bytes } = decodeEnvelope(message.data);
          dispatches = unpackDispatches(header).map((one) => ({ header: one, body: bytes }));
        } catch (error) {
          const explanation = await setAside(connection, message, 'a dispatch', error);
          if (explanation !== null) options.onUnreadable(explanation);
          continue;
        }
        const open = new Set(dispatches);
        const done = (dispatch: Dispatch): void => {
          if (open.delete(dispatch) && open.size === 0) outbox.send(() => message.ack());
        };
        yield {
          dispatches: dispatches.map((dispatch) => ({
            dispatch,
            done: () => done(dispatch),
            retryLater: () => outbox.send(() => message.nak()),
            deliveries: message.info.deliveryCount,
            bury: (verdict) => bury(connection, message, verdict),
          })),
          stillWaits: () => outbox.send(() => message.working()),
        };
      }
    },
  };
};
