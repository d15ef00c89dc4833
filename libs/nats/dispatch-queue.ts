import { jetstream } from '@nats-io/jetstream';
import type { NatsConnection } from '@nats-io/transport-node';
import { ZodError } from 'zod';
import { dispatchHeader, type Dispatch } from '#contracts/dispatch';
import { dispatchStreamName, dispatchSubject, workerConsumer } from '#contracts/subjects';
import type { Lane, ProviderId } from '#contracts/vocabulary';
import { FloError } from '#domain/errors';
import { bury, type Verdict } from './dead-letter-box.ts';
import { decodeEnvelope, encodeEnvelope, EnvelopeError } from './envelope.ts';
import { outboxOf } from './outbox.ts';
import { openStreamPublish, StreamRefusal } from './stream-publish.ts';

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
};

const isFull = (error: unknown): boolean => error instanceof StreamRefusal && FULL_CODES.has(error.code);

export const createDispatchPublisher = (connection: NatsConnection): DispatchPublisher => {
  const publish = openStreamPublish(connection);
  return {
    publish: async ({ header, body }) => {
      const step = header.plan.steps[header.step];
      if (step === undefined) throw new FloError('internal', 'The plan has no such step.');
      const { lane, tenantId, requestId } = header;
      const subject = dispatchSubject({ lane, provider: step.provider, model: step.model, tenantId });
      const message = encodeEnvelope(header, header.payload === undefined ? body : undefined);
      for (let tries = 1; ; tries += 1) {
        try {
          await publish(subject, message, {
            messageId: `${requestId}.${header.step}.${header.firstAttempt}`,
            timeoutMs: PUBLISH_TIMEOUT_MS,
          });
          return;
        } catch (error) {
          if (isFull(error)) {
            throw new FloError(
              'queue_full',
              `Too many requests wait for ${step.provider}/${step.model}. Try again shortly.`,
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
    },
  };
};

/** A dispatch taken from the queue. Until `done` the server may deliver it again, to anybody. */
export type ReceivedDispatch = {
  dispatch: Dispatch;
  done: () => void;
  retryLater: () => void;
  /** 1 at the first. */
  deliveries: number;
  /** Puts it among the dead letters. Rejects where that cannot be done, and then it comes again. */
  bury: (verdict: Verdict) => Promise<void>;
};

export type DispatchSource = {
  /**
   * Yields dispatches as they come, `maxMessages` at most, and ends after `expiresMs`. Throws when the
   * stream cannot be reached. A message that is no dispatch is buried and told to `onUnreadable`.
   */
  fetch: (options: { maxMessages: number; expiresMs: number }) => AsyncIterable<ReceivedDispatch>;
};

/** Names fields, never their values. */
const describeUnreadable = (error: unknown): string => {
  if (!(error instanceof ZodError)) {
    return `It is no dispatch: ${error instanceof EnvelopeError ? error.message : 'it cannot be decoded'}.`;
  }
  const fields = [...new Set(error.issues.map(({ path }) => path.join('.') || '(root)'))].slice(0, 10);
  return `It is no dispatch of this version of flo2; wrong are: ${fields.join(', ')}.`;
};

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
        let dispatch: Dispatch;
        try {
          const { header, bytes } = decodeEnvelope(message.data);
          dispatch = { header: dispatchHeader.parse(header), body: bytes };
        } catch (error) {
          const explanation = describeUnreadable(error);
          options.onUnreadable(explanation);
          // Where it cannot be buried now, it comes again.
          await bury(connection, message, { reason: 'unreadable', explanation }).catch(() => undefined);
          continue;
        }
        yield {
          dispatch,
          done: () => outbox.send(() => message.ack()),
          retryLater: () => outbox.send(() => message.nak()),
          deliveries: message.info.deliveryCount,
          bury: (verdict) => bury(connection, message, verdict),
        };
      }
    },
  };
};
