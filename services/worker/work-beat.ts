import type { Logger } from '#domain/ports';
import type { WorkClaims } from '#domain/work-ports';
import { requestIdOf } from '#domain/work-item';
import type { RequestsInHand } from './requests-in-hand.ts';

/** The reconciler takes a worker for lost after ten of them (`services/jobs/lost-workers.ts`). */
const BEAT_INTERVAL_MS = 1_000;

/** Says every second that the worker lives, as long as it holds work, and ends what should be given up. */
export const startWorkBeat = (
  claims: WorkClaims,
  workerId: string,
  requests: RequestsInHand,
  logger: Logger,
): { stop: () => Promise<void> } => {
  let beating: Promise<void> | null = null;
  let hasBeaten = false;
  const beat = async (): Promise<void> => {
    try {
      for (const id of await claims.beat(workerId)) {
        requests.control({ kind: 'cancel', requestId: requestIdOf(id) });
      }
      hasBeaten = true;
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error);
      logger.warn({ reason }, 'the store was not told that this worker lives');
    }
  };
  const timer = setInterval(() => {
    if (beating !== null || !requests.holdsWork()) return;
    beating = beat().finally(() => {
      beating = null;
    });
  }, BEAT_INTERVAL_MS);
  return {
    stop: async () => {
      clearInterval(timer);
      await beating;
      if (hasBeaten) await claims.leave(workerId).catch(() => undefined);
    },
  };
};
