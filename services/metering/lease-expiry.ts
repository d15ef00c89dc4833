import type { Logger } from '#domain/ports';
import type { RecordedEvents } from '#nats/recorded-events';
import type { ExpiredLease } from '#postgres/budget-leases';
import type { Service } from '#runtime/service';

export type LeaseExpiryOptions = {
  recorded: RecordedEvents;
  expire: (recordedUpToMs: number) => Promise<ExpiredLease[]>;
  logger: Logger;
};

const INTERVAL_MS = 5_000;
/** From the end of a request's time until its last event is in the stream, clocks that differ included. */
const RECORDING_LAG_MS = 30_000;

/** Ends budget leases whose process is gone, once nothing of theirs can bill any more. */
export const createLeaseExpiry = ({ recorded, expire, logger }: LeaseExpiryOptions): Service => {
  let timer: NodeJS.Timeout | null = null;
  let running: Promise<void> = Promise.resolve();

  const expireNow = async (): Promise<void> => {
    try {
      const recordedUpToMs = await recorded.recordedUpToMs();
      if (recordedUpToMs === null) return;
      for (const { leaseId, owner, picoUsd } of await expire(recordedUpToMs - RECORDING_LAG_MS)) {
        logger.warn({ leaseId, owner, picoUsd: String(picoUsd) }, 'a lease of a budget has expired');
      }
    } catch (error) {
      // The stream or the store is away, which others say loud enough; the next turn comes.
      const reason = error instanceof Error ? error.name : 'unknown';
      logger.info({ reason }, 'leases of budgets could not be looked at');
    }
  };

  return {
    name: 'lease expiry',
    start: async () => {
      timer = setInterval(() => {
        running = running.then(expireNow);
      }, INTERVAL_MS);
    },
    stop: async () => {
      if (timer !== null) clearInterval(timer);
      await running;
    },
    ready: () => true,
  };
};
