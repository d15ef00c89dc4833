/** What a process is made of: things that start, say whether they work, and stop in good order. */
import { setTimeout as sleep } from 'node:timers/promises';

export type Service = {
  name: string;
  start: () => Promise<void>;
  /** Takes nothing new, finishes what is in hand, then closes. */
  stop: () => Promise<void>;
  /** Whether it can do its work at this moment. */
  ready: () => Promise<boolean> | boolean;
};

export type StopReport = {
  /** Services that were still busy when the time was up. */
  late: readonly string[];
  failed: readonly { name: string; error: unknown }[];
};

/** One that cannot tell counts as not ready. */
export const areReady = async (services: readonly Pick<Service, 'ready'>[]): Promise<boolean> => {
  try {
    for (const service of services) {
      if (!(await service.ready())) return false;
    }
    return true;
  } catch {
    return false;
  }
};

/** One after another, in this order. When one rejects, those already started are for the caller to stop. */
export const startServices = async (
  services: readonly Service[],
  onStarted: (service: Service) => void,
): Promise<void> => {
  for (const service of services) {
    await service.start();
    onStarted(service);
  }
};

/** Even when the time is up, a service that has nothing in hand gets this long to say so. */
const STOP_WAIT_MIN_MS = 250;

/**
 * Stops them in the reverse order, each only after the one before has finished, since a request in hand
 * needs those behind it. They share one time limit; one that takes longer is left to itself.
 */
export const stopServices = async (services: readonly Service[], timeoutMs: number): Promise<StopReport> => {
  const deadlineMs = performance.now() + timeoutMs;
  const late: string[] = [];
  const failed: { name: string; error: unknown }[] = [];
  for (const service of services.toReversed()) {
    const timer = new AbortController();
    const waitMs = Math.max(deadlineMs - performance.now(), STOP_WAIT_MIN_MS);
    const timeUp = sleep(waitMs, true, { signal: timer.signal }).catch(() => true);
    const stopped = service.stop().then(
      () => false,
      (error: unknown) => {
        failed.push({ name: service.name, error });
        return false;
      },
    );
    if (await Promise.race([stopped, timeUp])) late.push(service.name);
    timer.abort();
  }
  return { late, failed };
};

/** Several that start and stop as one, in the order given. */
export const combineServices = (name: string, services: readonly Service[]): Service => ({
  name,
  start: () => startServices(services, () => undefined),
  stop: async () => {
    for (const service of services.toReversed()) await service.stop();
  },
  ready: () => areReady(services),
});
