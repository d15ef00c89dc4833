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
  /** Calls back before this turn's messages leave: what is sent from there is the last of them. */
  atEnd: (callback: () => void) => void;
};

const outboxes = new WeakMap<NatsConnection, Outbox>();

const createOutbox = (): Outbox => {
  let waiting: (() => void)[] = [];
  let endings: (() => void)[] = [];
  let isDue = false;
  const flush = (): void => {
    const called = endings;
    endings = [];
    for (const callback of called) callback();
    const turn = waiting;
    waiting = [];
    isDue = false;
    for (const send of turn) send();
  };
  const becomeDue = (): void => {
    if (isDue) return;
    isDue = true;
    setImmediate(flush);
  };
  const send = (next: () => void): void => {
    waiting.push(next);
    becomeDue();
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
    atEnd: (callback) => {
      endings.push(callback);
      becomeDue();
    },
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
