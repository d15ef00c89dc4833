import type { FloError } from '#domain/errors';
import type { ReceivedDispatch } from '#nats/dispatch-queue';
import type { RequestOwner } from './attempt-ports.ts';

/**
 * Ends a request that must not be called any more, and tells its owner why; `onWon` decides what becomes of
 * the message. Where the owner is silent the message stays with the queue; where the request is another's or
 * nobody's, it is dropped.
 */
export const endWithoutCall = async (
  received: ReceivedDispatch,
  owner: RequestOwner,
  error: FloError,
  onWon: () => Promise<void> | void = received.done,
): Promise<void> => {
  const { plan, step, firstAttempt } = received.dispatch.header;
  const providerKeyId = plan.steps[step]?.providerKeyIds[0];
  if (providerKeyId === undefined) return received.done();
  const verdict = await owner.gate.win({ attemptNumber: firstAttempt, providerKeyId, willCall: false });
  if (verdict.kind === 'silent') return;
  if (verdict.kind === 'lost') return received.done();
  await onWon();
  owner.openSink(firstAttempt).fail(error, null);
};
