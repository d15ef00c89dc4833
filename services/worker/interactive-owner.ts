import type { Dispatch, PlanStep } from '#contracts/dispatch';
import type { IdMint } from '#domain/mint-id';
import type { WorkerLine } from '#nats/worker-line';
import type { RequestOwner } from './attempt-ports.ts';
import { FrameSender } from './frame-sender.ts';

export type InteractiveDeps = { line: WorkerLine; workerId: string; mint: IdMint };

/** The ingress that holds the client's connection: it grants attempts, and frames go to it. */
export const interactiveOwner = (
  { line, workerId, mint }: InteractiveDeps,
  ingressId: string,
  { header: { requestId, step }, body }: Dispatch,
  { provider, model }: PlanStep,
): RequestOwner => ({
  body,
  gate: {
    win: async (asked) => {
      const attemptId = mint.mint('att');
      const attempt = { ...asked, attemptId, requestId, step, workerId, provider, model };
      const reply = await line.requestGrant(ingressId, attempt);
      if (reply === 'silent') return { kind: 'silent' };
      return reply !== 'gone' && reply.granted ? { kind: 'won', attemptId } : { kind: 'lost' };
    },
  },
  // The ingress counts by its grants.
  uncalled: () => 0,
  openSink: (attemptNumber) => new FrameSender(line, ingressId, { requestId, attemptNumber }),
  // The ingress keeps the deadline, and misses what a lost worker leaves.
  close: () => undefined,
});
