import { setTimeout as sleep } from 'node:timers/promises';
import { encodeWireError, FloError } from '#domain/errors';
import type { Clock, Logger } from '#domain/ports';
import { presumedLostEvent } from '#domain/attempt-report';
import { afterLostWorker } from '#domain/work-item';
import type { EndedItem } from '#domain/work-ports';
import type { AttemptEventPublisher } from '#nats/attempt-event-publisher';
import type { ResultProgress } from '#nats/work-results';
import type { WorkSignals } from '#nats/work-signals';
import type { OrphanedItem, WorkRecovery } from '#postgres/work-recovery';
import { lostDispatch } from './dispatch-of.ts';
import { LostWorkers } from './lost-workers.ts';

const LOOK_INTERVAL_MS = 1_000;
const TIDY_INTERVAL_MS = 60_000;
const ITEMS_MAX = 500;

export type ReconcilerOptions = {
  recovery: WorkRecovery;
  progress: ResultProgress;
  events: AttemptEventPublisher;
  signals: WorkSignals;
  clock: Clock;
  logger: Logger;
};

const OUTCOME_UNKNOWN = encodeWireError(
  new FloError(
    'outcome_unknown',
    'The call to the provider may have happened; its outcome was lost. Repeat it only if being charged twice is acceptable.',
  ),
);
const EXPIRED = encodeWireError(
  new FloError('deadline_exceeded', 'The deadline passed before a call was made.'),
);

/**
 * Mends what nobody else can: attempts whose worker was lost, items that waited past their deadline, answers
 * that are no longer kept. Part of the leader's work.
 */
export const reconcile = async (options: ReconcilerOptions, signal: AbortSignal): Promise<void> => {
  const { recovery, progress, events, signals, clock, logger } = options;
  const workers = new LostWorkers();
  let tidiedAtMs = Number.NEGATIVE_INFINITY;

  const tell = (ended: readonly EndedItem[]): void => {
    for (const { id, batchId } of ended) if (batchId === null) signals.ended(id);
  };

  const mend = async (workerId: string): Promise<void> => {
    const orphans = await recovery.orphans(workerId, workers.newestClaim(workerId), ITEMS_MAX);
    const nowMs = clock.nowMs();
    const fates = Map.groupBy(orphans, (item) => afterLostWorker({ ...item, nowMs }));
    // The ledger is told first: whoever repeats this after a crash tells it the same.
    for (const item of orphans) events.publish(lostEvent(item, nowMs));
    await events.flushed();
    const repeated = fates.get('repeat') ?? [];
    if (repeated.length > 0) await recovery.repeat(repeated);
    const ended = fates.get('outcome_unknown') ?? [];
    if (ended.length > 0) tell(await recovery.giveUp(ended, OUTCOME_UNKNOWN));
    if (orphans.length > 0) {
      logger.warn(
        { workerId, repeated: repeated.length, ended: ended.length },
        'a worker was lost with work',
      );
    }
  };

  while (!signal.aborted) {
    try {
      const lost = workers.observe(await recovery.holders(), performance.now());
      for (const workerId of lost) {
        const newest = workers.resultsAt(workerId) ?? (await progress.last());
        workers.awaitResults(workerId, newest);
        // What it had already told is recorded first: only what it has not told is lost.
        if ((await progress.acknowledged()) >= newest) await mend(workerId);
      }
      tell(await recovery.expire(EXPIRED, ITEMS_MAX));
      if (performance.now() - tidiedAtMs > TIDY_INTERVAL_MS) {
        tidiedAtMs = performance.now();
        await recovery.forgetAnswers(10 * ITEMS_MAX);
        await recovery.forgetWorkers();
      }
    } catch (error) {
      workers.clear();
      const reason = error instanceof Error ? error.message : String(error);
      logger.warn({ reason }, 'work cannot be reconciled; trying again');
    }
    await sleep(LOOK_INTERVAL_MS, undefined, { signal }).catch(() => undefined);
  }
};

const lostEvent = (item: OrphanedItem, nowMs: number) => {
  const { header, grant } = lostDispatch(item);
  return presumedLostEvent(header, grant, { grantedAtMs: item.claim.claimedAtMs, nowMs });
};
