import type { NatsConnection } from '@nats-io/transport-node';

/**
 * Gathers what is sent within one turn of the event loop, so that it leaves in one write: the driver alone
 * writes once for each message where messages are sent from different callbacks, and at 64 requests at once
 * those writes were a third of the processor's time. What goes through one connection's outbox leaves in
 * the order in which it was given.
 */
export type Outbox = {
  send: (send: () => void) => void;
  /** For what has an answer: resolves as `request` does. */
  request: <Answer>(request: () => Promise<Answer>) => Promise<Answer>;
};

const outboxes = new WeakMap<NatsConnection, Outbox>();

const createOutbox = (): Outbox => {
  let waiting: (() => void)[] = [];
  const flush = (): void => {
    const turn = waiting;
    waiting = [];
    for (const send of turn) send();
  };
  const send = (next: () => void): void => {
    waiting.push(next);
    if (waiting.length === 1) setImmediate(flush);
  };
  return {
    send,
    request: (request) =>
      new Promise((resolve, reject) => {
        send(() => {
          try {
            request().then(resolve, reject);
          } catch (error) {
            reject(error);
          }
        });
      }),
  };
};

/** The one outbox of a connection. */
export const outboxOf = (connection: NatsConnection): Outbox => {
  const known = outboxes.get(connection);
  if (known !== undefined) return known;
  const outbox = createOutbox();
  outboxes.set(connection, outbox);
  return outbox;
};
