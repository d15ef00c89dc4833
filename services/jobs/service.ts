import { setTimeout as sleep } from 'node:timers/promises';
import type { IdMint } from '#domain/mint-id';
import type { Clock, Logger } from '#domain/ports';
import type { AttemptEventPublisher } from '#nats/attempt-event-publisher';
import type { ResultProgress, WorkResultSource } from '#nats/work-results';
import type { WorkSignals } from '#nats/work-signals';
import type { Leases } from '#postgres/lease';
import type { WorkRecovery } from '#postgres/work-recovery';
import type { WorkResults } from '#postgres/work-results';
import type { Service } from '#runtime/service';
import { BatchCoordinator, type BatchCoordinatorDeps } from './batches.ts';
import { Feeder, type FeederDeps } from './feeder.ts';
import { NativeBatchCoordinator, type NativeBatchDeps } from './native-batches.ts';
import { tellOfKeys, type KeyAlertDeps } from './key-alerts.ts';
import { lead } from './leadership.ts';
import { reconcile } from './reconciler.ts';
import { recordResults } from './results-loop.ts';

export type JobsDeps = {
  leases: Leases;
  signals: WorkSignals;
  feeder: FeederDeps;
  batches: BatchCoordinatorDeps;
  native: NativeBatchDeps;
  keyAlerts: KeyAlertDeps;
  results: WorkResults;
  source: WorkResultSource;
  recovery: WorkRecovery;
  progress: ResultProgress;
  events: AttemptEventPublisher;
  clock: Clock;
  mint: IdMint;
  logger: Logger;
};

/** Two, so that one batch is decoded while Postgres writes the other. */
const READERS = 2;
const LEASE = 'jobs';
/**
 * How soon the feeder looks again: after a turn that gave out as much as makes it worth its queries, one that gave
 * out less, one that waits for room, one of neither. What is in the queue lasts workers that take little for seconds;
 * to follow each line they took was more work for Postgres than the lines.
 */
const BUSY_MS = 15;
const BUSY_SERVED = 32;
const BUSY_LITTLE_MAX_MS = 200;
const ASKING_MS = 50;
const IDLE_MS = 500;
const REVIEW_INTERVAL_MS = 1_000;
const BACK_OFF_MS = 1_000;

const waitAfterMs = (served: number, isAsking: boolean): number => {
  if (served === 0) return isAsking ? ASKING_MS : IDLE_MS;
  return Math.min(BUSY_LITTLE_MAX_MS, BUSY_MS * Math.max(1, BUSY_SERVED / served));
};

/** Feeds until the signal; `wake` cuts an idle wait short. Never rejects. */
const feed = async (
  deps: Pick<JobsDeps, 'signals' | 'logger'>,
  feeder: Feeder,
  signal: AbortSignal,
  onReachable: (reachable: boolean) => void,
): Promise<void> => {
  let wake = new AbortController();
  const accepted = deps.signals.onAccepted(() => wake.abort());
  let reviewedAtMs = performance.now();
  while (!signal.aborted) {
    wake = new AbortController();
    let waitMs = BACK_OFF_MS;
    try {
      const served = await feeder.turn();
      waitMs = waitAfterMs(served, feeder.isAsking);
      if (performance.now() - reviewedAtMs >= REVIEW_INTERVAL_MS) {
        reviewedAtMs = performance.now();
        await feeder.review();
      }
      onReachable(true);
    } catch (error) {
      onReachable(false);
      const reason = error instanceof Error ? error.message : String(error);
      deps.logger.warn({ reason }, 'work cannot be fed; trying again');
    }
    await sleep(waitMs, undefined, { signal: AbortSignal.any([signal, wake.signal]) }).catch(() => undefined);
  }
  accepted.unsubscribe();
  feeder.close();
};

/**
 * What work needs beside the workers. Every process of the role records results; one of them leads: it feeds
 * the queue, mends what was lost, and tells tenants of keys that are not used.
 */
export const createJobs = (deps: JobsDeps): Service => {
  const reachable = new Map<string, boolean>();
  let running: { stopping: AbortController; finished: Promise<unknown> } | null = null;
  return {
    name: 'jobs',
    start: async () => {
      const stopping = new AbortController();
      const { signal } = stopping;
      const readers = Array.from({ length: READERS }, (_, reader) => {
        const name = `results ${reader}`;
        reachable.set(name, true);
        const onReachable = (now: boolean): void => void reachable.set(name, now);
        return recordResults({ ...deps, signal, onReachable });
      });
      const leadership = lead({
        leases: deps.leases,
        name: LEASE,
        holder: deps.mint.mint('wrk'),
        leader: {
          run: async (leading) => {
            const onReachable = (now: boolean): void => void reachable.set('feeder', now);
            const feeder = new Feeder(deps.feeder);
            const native = new NativeBatchCoordinator(deps.native);
            const batches = new BatchCoordinator(
              deps.batches,
              ({ id, tenantId }) => feeder.waitingReason(tenantId) ?? native.waitingReason(id),
            );
            await Promise.all([
              feed(deps, feeder, leading, onReachable),
              reconcile(deps, leading),
              batches.run(leading),
              native.run(leading),
              tellOfKeys(deps.keyAlerts, leading),
            ]);
            reachable.delete('feeder');
          },
        },
        signal,
        logger: deps.logger,
      });
      running = { stopping, finished: Promise.all([...readers, leadership]) };
    },
    stop: async () => {
      if (running === null) return;
      running.stopping.abort();
      // Once so that nobody waits for results, and again for what a fetch just begun has brought.
      await deps.source.release();
      await running.finished;
      await deps.source.release();
      await deps.events.flushed();
      running = null;
      reachable.clear();
    },
    ready: () => running !== null && [...reachable.values()].every(Boolean),
  };
};
