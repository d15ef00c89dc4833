import { existsSync, readdirSync } from 'node:fs';
import { constants, setPriority } from 'node:os';

/** Linux's; where it is not mounted, the main thread alone gives way. */
const THREADS = '/proc/self/task';

/**
 * Lets every other process on the machine go first. On Linux a priority is a thread's own, and those that collect
 * garbage are there before any of our code is: without them, only half of a busy process gave way.
 */
export const giveWay = (): void => {
  const threadIds = existsSync(THREADS) ? readdirSync(THREADS).map(Number) : [process.pid];
  for (const threadId of threadIds) {
    try {
      setPriority(threadId, constants.priority.PRIORITY_BELOW_NORMAL);
    } catch {
      // It has ended since it was listed.
    }
  }
};
