import { setTimeout as sleep } from 'node:timers/promises';
import type { Logger } from '#domain/ports';
import type { ReceivedResults } from '#domain/work-ports';
import { terminalStateOf } from '#domain/work-item';
import type { WorkResultSource } from '#nats/work-results';
import type { WorkSignals } from '#nats/work-signals';
import type { WorkResults } from '#postgres/work-results';
import { faultPoint } from '#runtime/fault-point';

/** Messages, of which each holds up to 32 results. */
const BATCH_MAX = 64;
const FETCH_EXPIRES_MS = 1_000;
const BACK_OFF_MS = 500;

export type ResultsLoopOptions = {
  source: WorkResultSource;
  results: WorkResults;
  signals: WorkSignals;
  logger: Logger;
  /** Ends the loop after the batch in hand. */
  signal: AbortSignal;
  onReachable: (reachable: boolean) => void;
};

/** Writes what came of work items, batch by batch, and acknowledges it after the commit. */
export const recordResults = async (options: ResultsLoopOptions): Promise<void> => {
  const { source, results, signals, logger, signal, onReachable } = options;
  const pause = async (error: unknown, what: string): Promise<void> => {
    onReachable(false);
    logger.warn({ reason: error instanceof Error ? error.message : String(error) }, what);
    await sleep(BACK_OFF_MS, undefined, { signal }).catch(() => undefined);
  };
  while (!signal.aborted) {
    let batch: ReceivedResults[];
    try {
      batch = await source.fetch({ maxMessages: BATCH_MAX, expiresMs: FETCH_EXPIRES_MS });
    } catch (error) {
      await pause(error, 'results cannot be read; trying again');
      continue;
    }
    for (let recorded = batch.length === 0; !recorded;) {
      try {
        faultPoint('jobs.recording');
        const ended = await results.record(
          batch.flatMap(({ results: received }) => received),
          terminalStateOf,
        );
        faultPoint('jobs.recorded');
        for (const { id, batchId } of ended) if (batchId === null) signals.ended(id);
        recorded = true;
      } catch (error) {
        await pause(error, 'results cannot be written; trying again');
        if (!signal.aborted) continue;
        // First, so that what is handed back does not come here again.
        await source.release();
        for (const received of batch) received.retryLater();
        return;
      }
    }
    onReachable(true);
    for (const received of batch) received.ack();
  }
};
