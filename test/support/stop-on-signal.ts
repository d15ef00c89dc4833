import { constants } from 'node:os';

const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;
/** Sent to a whole process group, one signal comes more than once: from the sender and from each parent that passes it on. */
const REPEATED_SIGNAL_MS = 1_000;

/**
 * Has a program that a signal ends stop what it started first: embedded servers are processes of their own
 * and would outlive it. A second signal, a moment later, ends it at once.
 */
export const stopOnSignal = (stop: () => Promise<void>): void => {
  let firstSignalMs: number | null = null;
  const onSignal = (signal: (typeof SIGNALS)[number]): void => {
    const exit = (): void => process.exit(128 + constants.signals[signal]);
    const nowMs = performance.now();
    if (firstSignalMs !== null) {
      if (nowMs - firstSignalMs >= REPEATED_SIGNAL_MS) exit();
      return;
    }
    firstSignalMs = nowMs;
    // What the program was doing breaks off with its servers; that must not end it before they are stopped.
    process.on('uncaughtException', () => undefined);
    stop().then(exit, (error: unknown) => {
      console.error(error);
      exit();
    });
  };
  for (const signal of SIGNALS) process.on(signal, onSignal);
};
