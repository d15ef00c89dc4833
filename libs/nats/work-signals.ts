import type { NatsConnection, Subscription } from '@nats-io/transport-node';
import type { WorkItemId } from '#contracts/ids';
import { WORK_ACCEPTED_SUBJECT, workEndedSubject } from '#contracts/subjects';

/**
 * Hints over core NATS that spare a wait for the next look at the store; none of them is needed for
 * correctness, so none is repeated.
 */
export type WorkSignals = {
  accepted: () => void;
  onAccepted: (callback: () => void) => Subscription;
  ended: (id: WorkItemId) => void;
  /** Resolves when the item is said to have ended, or after the wait. */
  waitForEnd: (id: WorkItemId) => { ended: Promise<void>; close: () => void };
};

export const createWorkSignals = (connection: NatsConnection): WorkSignals => ({
  accepted: () => connection.publish(WORK_ACCEPTED_SUBJECT),
  onAccepted: (callback) => connection.subscribe(WORK_ACCEPTED_SUBJECT, { callback: () => callback() }),
  ended: (id) => connection.publish(workEndedSubject(id)),
  waitForEnd: (id) => {
    let tell = (): void => undefined;
    const ended = new Promise<void>((resolve) => {
      tell = resolve;
    });
    const subscription = connection.subscribe(workEndedSubject(id), { max: 1, callback: () => tell() });
    return { ended, close: () => subscription.unsubscribe() };
  },
});
