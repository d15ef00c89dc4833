import { consume, type ConsumeOptions } from './consume.ts';

export type MeteringOptions = Omit<ConsumeOptions, 'signal' | 'onReachable'>;

export type Metering = {
  name: 'metering';
  start: () => Promise<void>;
  /** Finishes the batches in hand. Resolves when the last one is acknowledged or handed back. */
  stop: () => Promise<void>;
  /** Whether the last tries reached both the stream and the ledger. */
  ready: () => boolean;
};

/**
 * So that one batch is decoded while PostgreSQL writes another and a third waits for the disk: with one reader
 * each would wait for the others.
 */
export const READERS = 3;

/**
 * The service that turns attempt events into the ledger. The price book must be seeded before it starts:
 * an event is priced once, when it is recorded.
 */
export const createMetering = (options: MeteringOptions): Metering => {
  const reachable = Array.from({ length: READERS }, () => false);
  let running: { stopping: AbortController; finished: Promise<unknown> } | null = null;
  return {
    name: 'metering',
    start: async () => {
      if (running !== null) return;
      const stopping = new AbortController();
      const readers = reachable.map((_, reader) =>
        consume({
          ...options,
          signal: stopping.signal,
          onReachable: (now) => {
            reachable[reader] = now;
          },
        }),
      );
      running = { stopping, finished: Promise.all(readers) };
    },
    stop: async () => {
      if (running === null) return;
      const { stopping, finished } = running;
      stopping.abort();
      // Once so that nobody waits for events, and again for what a fetch just begun has brought.
      await options.source.release();
      await finished;
      await options.source.release();
      running = null;
      reachable.fill(false);
    },
    ready: () => reachable.every(Boolean),
  };
};
