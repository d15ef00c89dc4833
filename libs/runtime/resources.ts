/** Connections, pools and servers of a process, closed in the reverse order of their opening. */
import { setTimeout as sleep } from 'node:timers/promises';

/** Thrown to whoever opens a resource while the process is already ending. */
export class InterruptedError extends Error {
  override readonly name = 'InterruptedError';
  constructor() {
    super('The process was told to stop while it was starting.');
  }
}

export type CloseFailure = { name: string; error: unknown };

export type Resources = {
  /**
   * Opens something and remembers how to close it. Rejects with what `open` rejects with, and with
   * InterruptedError once `refuse` or `closeAll` was called; what was being opened then is closed again.
   */
  open: <Value>(
    name: string,
    open: () => Promise<Value> | Value,
    close: (value: Value) => Promise<void> | void,
    /** How long closing may take before it counts as failed; `CLOSE_WAIT_MS` unless told. */
    closeWaitMs?: number,
  ) => Promise<Value>;
  /** From now on nothing more is opened. */
  refuse: () => void;
  /** Closes all, one after another; what fails to close does not hold up the others. */
  closeAll: () => Promise<readonly CloseFailure[]>;
};

const CLOSE_WAIT_MS = 10_000;

const closeInTime = async (close: () => Promise<void> | void, waitMs: number): Promise<void> => {
  const timer = new AbortController();
  const timeUp = sleep(waitMs, undefined, { signal: timer.signal }).then(() => {
    throw new Error(`it was not closed within ${waitMs} ms`);
  });
  timeUp.catch(() => {});
  try {
    await Promise.race([close(), timeUp]);
  } finally {
    timer.abort();
  }
};

export const createResources = (): Resources => {
  const closers: { name: string; close: () => Promise<void> }[] = [];
  let refusing = false;
  return {
    open: async (name, open, close, closeWaitMs = CLOSE_WAIT_MS) => {
      if (refusing) throw new InterruptedError();
      const value = await open();
      const closeThis = () => closeInTime(() => close(value), closeWaitMs);
      if (refusing) {
        // closeAll may have gone through the list already.
        await closeThis();
        throw new InterruptedError();
      }
      closers.push({ name, close: closeThis });
      return value;
    },
    refuse: () => {
      refusing = true;
    },
    closeAll: async () => {
      refusing = true;
      const failures: CloseFailure[] = [];
      for (let last = closers.pop(); last !== undefined; last = closers.pop()) {
        try {
          await last.close();
        } catch (error) {
          failures.push({ name: last.name, error });
        }
      }
      return failures;
    },
  };
};
