import type { DispatchHeader, PlanStep } from '#contracts/dispatch';
import type { WorkerLine } from '#nats/worker-line';
import type { RequestOwner } from './attempt-ports.ts';
import { FrameSender } from './frame-sender.ts';

/** The ingress that holds the client's connection: it grants attempts, and frames go to it. */
export const interactiveOwner = (
  line: WorkerLine,
  workerId: string,
  { requestId, ingressId, step }: DispatchHeader,
  { provider, model }: PlanStep,
): RequestOwner => ({
  gate: {
    win: async (asked) => {
      const reply = await line.requestGrant(ingressId, {
        ...asked,
        requestId,
        step,
        workerId,
        provider,
        model,
      });
      if (reply === 'silent') return 'silent';
      return reply !== 'gone' && reply.granted ? 'won' : 'lost';
    },
  },
  openSink: (attemptNumber) => new FrameSender(line, ingressId, { requestId, attemptNumber }),
});
