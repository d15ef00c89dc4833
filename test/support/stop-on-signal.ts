import { constants } from 'node:os';

const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;

/**
 * Has a program that a signal ends stop what it started first: embedded servers are processes of their own
 * and would outlive it. A second signal of the same kind ends it at once.
 */
export const stopOnSignal = (stop: () => Promise<void>): void => {
  for (const signal of SIGNALS) {
    process.once(signal, () => {
      // What the program was doing breaks off with its servers; that must not end it before they are stopped.
      process.on('uncaughtException', () => undefined);
      const exit = (): void => process.exit(128 + constants.signals[signal]);
      stop().then(exit, (error: unknown) => {
        console.error(error);
        exit();
      });
    });
  }
};
