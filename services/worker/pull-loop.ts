import { setTimeout as sleep } from 'node:timers/promises';
import type { Logger } from '#domain/ports';
import type { DispatchSource, ReceivedDispatch } from '#nats/dispatch-queue';

const PULL_MAX = 128;
/** Also how long a stop waits for a pull that brings nothing. */
const PULL_EXPIRES_MS = 2_000;
const BACK_OFF_MS = 500;

/** A worker's bound on what it does at once. */
export class Slots {
  readonly #total: number;
  #free: number;
  #waiting: { wanted: number; resolve: () => void }[] = [];

  constructor(total: number) {
    this.#total = total;
    this.#free = total;
  }

  /** Waits until a fair part is free, so that a busy worker does not pull its work one by one. */
  async reserve(max: number): Promise<number> {
    const wanted = Math.min(max, Math.max(1, Math.floor(this.#total / 16)));
    while (this.#free < wanted) {
      await new Promise<void>((resolve) => this.#waiting.push({ wanted, resolve }));
    }
    const reserved = Math.min(max, this.#free);
    this.#free -= reserved;
    return reserved;
  }

  release(count: number): void {
    this.#free += count;
    const ready = this.#waiting.filter(({ wanted }) => wanted <= this.#free);
    this.#waiting = this.#waiting.filter(({ wanted }) => wanted > this.#free);
    for (const { resolve } of ready) resolve();
  }
}

export type PullLoopOptions = {
  source: DispatchSource;
  slots: Slots;
  /** Resolves when the dispatch needs its slot no more. Never rejects. */
  handle: (received: ReceivedDispatch) => Promise<void>;
  signal: AbortSignal;
  logger: Logger;
  onReachable: (reachable: boolean) => void;
};

/**
 * Takes work only into slots it has reserved: what a worker has been handed it begins at once, so no ack
 * wait runs in a buffer.
 */
export const pull = async ({ source, slots, handle, signal, logger, onReachable }: PullLoopOptions) => {
  while (!signal.aborted) {
    let unused = await slots.reserve(PULL_MAX);
    try {
      if (signal.aborted) return;
      for await (const received of source.fetch({ maxMessages: unused, expiresMs: PULL_EXPIRES_MS })) {
        unused -= 1;
        void handle(received).finally(() => slots.release(1));
      }
      onReachable(true);
    } catch (error) {
      onReachable(false);
      const reason = error instanceof Error ? error.message : String(error);
      logger.warn({ reason }, 'the queue cannot be read; trying again');
      await sleep(BACK_OFF_MS);
    } finally {
      slots.release(unused);
    }
  }
};
