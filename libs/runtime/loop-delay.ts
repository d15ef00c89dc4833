import { monitorEventLoopDelay } from 'node:perf_hooks';

const RESOLUTION_MS = 10;
const NANOSECONDS_PER_MS = 1_000_000;

/** How late the event loop came to what was due, on average, in the time that has passed since it was told before. */
export type LoopDelay = { lateMs: number; elapsedMs: number };

/** Tells it every so often; the result ends that. */
export const watchLoopDelay = (everyMs: number, onObserved: (seen: LoopDelay) => void): (() => void) => {
  const delay = monitorEventLoopDelay({ resolution: RESOLUTION_MS });
  delay.enable();
  let sinceMs = performance.now();
  const timer = setInterval(() => {
    const nowMs = performance.now();
    const meanMs = delay.count > 0 ? delay.mean / NANOSECONDS_PER_MS : RESOLUTION_MS;
    const seen = { lateMs: Math.max(0, meanMs - RESOLUTION_MS), elapsedMs: Math.max(1, nowMs - sinceMs) };
    delay.reset();
    sinceMs = nowMs;
    onObserved(seen);
  }, everyMs);
  return () => {
    clearInterval(timer);
    delay.disable();
  };
};
