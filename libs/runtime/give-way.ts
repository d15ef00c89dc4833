import { readdirSync } from 'node:fs';
import { constants, setPriority } from 'node:os';

const THREADS = '/proc/self/task';

/**
 * Lets every other process on the machine go first. On Linux a priority is a thread's own, and those that collect
 * garbage are there before any of our code is: without them, only half of a busy process gave way.
 */
export const giveWay = (): void => {
  const threadIds = process.platform === 'linux' ? readdirSync(THREADS).map(Number) : [process.pid];
  for (const threadId of threadIds) setPriority(threadId, constants.priority.PRIORITY_BELOW_NORMAL);
};
