import { mkdir, open, readFile, rm, stat, utimes } from 'node:fs/promises';
import { dirname } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

/** The holder touches its lock far more often than this while it works. */
const SILENCE_MAX_MS = 30_000;
const TOUCH_MS = 2_000;
const POLL_MS = 250;

/**
 * Whether the lock's owner is gone: its process is, or another has got its id and so the lock is not touched.
 *
 * @param {{ pid: number, touchedMs: number }} lock
 * @param {{ nowMs: number, isAlive: (pid: number) => boolean }} world
 */
export const isStale = (lock, { nowMs, isAlive }) =>
  nowMs - lock.touchedMs > SILENCE_MAX_MS || (lock.pid > 0 && !isAlive(lock.pid));

/** @param {number} pid */
const isAlive = (pid) => {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return error instanceof Error && 'code' in error && error.code === 'EPERM';
  }
};

/** @param {string} path */
const readLock = async (path) => {
  try {
    const [text, { mtimeMs }] = await Promise.all([readFile(path, 'utf8'), stat(path)]);
    return { pid: Number(text) || 0, touchedMs: mtimeMs };
  } catch {
    return null;
  }
};

/** @param {string} path */
const tryLock = async (path) => {
  try {
    const file = await open(path, 'wx');
    await file.writeFile(String(process.pid));
    await file.close();
    return true;
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'EEXIST') return false;
    throw error;
  }
};

/**
 * Does `work` while no other process of this machine does it for the same lock file.
 *
 * @param {string} path
 * @param {{ onWait: (pid: number) => void, work: () => Promise<void> }} options
 */
export const withInstallLock = async (path, { onWait, work }) => {
  await mkdir(dirname(path), { recursive: true });
  let hasWaited = false;
  while (!(await tryLock(path))) {
    const lock = await readLock(path);
    if (lock !== null && isStale(lock, { nowMs: Date.now(), isAlive })) {
      await rm(path, { force: true });
    } else if (lock !== null) {
      if (!hasWaited) onWait(lock.pid);
      hasWaited = true;
      await sleep(POLL_MS);
    }
  }
  const touching = setInterval(() => {
    const now = new Date();
    utimes(path, now, now).catch(() => {});
  }, TOUCH_MS);
  try {
    await work();
  } finally {
    clearInterval(touching);
    await rm(path, { force: true });
  }
};
