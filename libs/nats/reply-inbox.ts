import { createInbox, headers, type Msg, type NatsConnection } from '@nats-io/transport-node';
import { outboxOf } from './outbox.ts';

const SWEEP_INTERVAL_MS = 100;
const NO_RESPONDERS = 503;

/** Nobody listens at the subject, nobody answered in time, or the connection was closed. */
export class NoReplyError extends Error {
  override readonly name = 'NoReplyError';
  readonly kind: 'gone' | 'silent' | 'closed';

  constructor(kind: NoReplyError['kind']) {
    super(
      kind === 'gone'
        ? 'nobody listens there'
        : kind === 'closed'
          ? 'the connection is closed'
          : 'no answer came in time',
    );
    this.kind = kind;
  }
}

export type ReplyInbox = {
  /** Leaves with the outbox's turn. Rejects with `NoReplyError`. */
  request: (
    subject: string,
    payload: string | Uint8Array,
    options: { timeoutMs: number; messageId?: string },
  ) => Promise<Msg>;
};

type Pending = {
  resolve: (message: Msg) => void;
  reject: (error: NoReplyError) => void;
  deadlineMs: number;
};

const inboxes = new WeakMap<NatsConnection, ReplyInbox>();

const createReplyInbox = (connection: NatsConnection): ReplyInbox => {
  const outbox = outboxOf(connection);
  const prefix = `${createInbox()}.`;
  const pending = new Map<string, Pending>();
  let requests = 0;
  let sweeping: NodeJS.Timeout | null = null;

  connection.subscribe(`${prefix}*`, {
    callback: (error, message) => {
      if (error !== null) return;
      const token = message.subject.slice(prefix.length);
      const waiting = pending.get(token);
      if (waiting === undefined) return;
      pending.delete(token);
      if (message.data.length === 0 && message.headers?.code === NO_RESPONDERS) {
        waiting.reject(new NoReplyError('gone'));
      } else waiting.resolve(message);
    },
  });

  const sweep = (): void => {
    const nowMs = performance.now();
    const isClosed = connection.isClosed();
    for (const [token, { reject, deadlineMs }] of pending) {
      if (!isClosed && nowMs < deadlineMs) continue;
      pending.delete(token);
      reject(new NoReplyError(isClosed ? 'closed' : 'silent'));
    }
    if (pending.size > 0 || sweeping === null) return;
    clearInterval(sweeping);
    sweeping = null;
  };

  return {
    request: (subject, payload, { timeoutMs, messageId }) =>
      new Promise((resolve, reject) => {
        outbox.send(() => {
          requests += 1;
          const token = requests.toString(36);
          try {
            const told = messageId === undefined ? undefined : headers();
            told?.set('Nats-Msg-Id', messageId ?? '');
            connection.publish(subject, payload, { reply: prefix + token, ...(told && { headers: told }) });
          } catch {
            reject(new NoReplyError('closed'));
            return;
          }
          pending.set(token, { resolve, reject, deadlineMs: performance.now() + timeoutMs });
          sweeping ??= setInterval(sweep, SWEEP_INTERVAL_MS);
        });
      }),
  };
};

/**
 * The one inbox of a connection: requests share one subscription and one timer, where the driver has a timer,
 * a race of promises and a stack for each. Bounded by who waits for the answers.
 */
export const replyInboxOf = (connection: NatsConnection): ReplyInbox => {
  const known = inboxes.get(connection);
  if (known !== undefined) return known;
  const inbox = createReplyInbox(connection);
  inboxes.set(connection, inbox);
  return inbox;
};
