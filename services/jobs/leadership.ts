import { setTimeout as sleep } from 'node:timers/promises';
import type { Logger } from '#domain/ports';
import type { Leases } from '#postgres/lease';

const TTL_MS = 6_000;
const PROLONG_INTERVAL_MS = 1_500;

export type Leader = { run: (signal: AbortSignal) => Promise<void> };

/**
 * Runs the leader's work in one process at a time. Who loses the lease, or cannot prolong it, stops before it
 * runs out. A moment in which two believe to lead harms nothing: what they do twice is fenced by the claims.
 */
export const lead = async (options: {
  leases: Leases;
  name: string;
  holder: string;
  leader: Leader;
  signal: AbortSignal;
  logger: Logger;
}): Promise<void> => {
  const { leases, name, holder, leader, signal, logger } = options;
  let leading: { stopping: AbortController; finished: Promise<void> } | null = null;
  let heldUntilMs = 0;
  const stop = async (): Promise<void> => {
    leading?.stopping.abort();
    await leading?.finished;
    leading = null;
  };
  while (!signal.aborted) {
    const askedAtMs = performance.now();
    try {
      if (await leases.hold(name, holder, TTL_MS)) heldUntilMs = askedAtMs + TTL_MS;
      else heldUntilMs = 0;
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error);
      logger.warn({ reason }, 'the lease cannot be prolonged; trying again');
    }
    const holds = heldUntilMs - performance.now() > PROLONG_INTERVAL_MS;
    if (holds && leading === null) {
      const stopping = new AbortController();
      logger.info({ name }, 'this process leads');
      leading = { stopping, finished: leader.run(stopping.signal) };
    } else if (!holds && leading !== null) {
      logger.warn({ name }, 'this process leads no more');
      await stop();
    }
    await sleep(PROLONG_INTERVAL_MS, undefined, { signal }).catch(() => undefined);
  }
  await stop();
  await leases.release(name, holder).catch(() => undefined);
};
