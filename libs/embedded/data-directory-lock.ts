import { randomBytes } from 'node:crypto';
import { link, mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { readProcessIdentity } from './own-process.ts';

/** `identity`: see readProcessIdentity. A process id alone would be taken for a later process's. */
export type LockHolder = { pid: number; identity: string | null };

export type DataDirectoryLock = { release: () => Promise<void> };

export const decodeLockHolder = (text: string): LockHolder | null => {
  const [pid, identity] = text.trim().split('\n');
  if (pid === undefined || !/^[1-9]\d{0,9}$/.test(pid)) return null;
  return { pid: Number(pid), identity: identity ?? null };
};

/** Whether the process that wrote the lock lives on, given who has its process id now. */
export const isHeld = (holder: LockHolder, identityNow: string | null): boolean =>
  identityNow !== null && (holder.identity === null || holder.identity === identityNow);

const readHolder = async (path: string): Promise<LockHolder | null> =>
  decodeLockHolder(await readFile(path, 'utf8').catch(() => ''));

/** True when the lock file's process is alive; used to tell a crashed owner's directory from a live one. */
export const isLocked = async (directory: string): Promise<boolean> => {
  const holder = await readHolder(join(directory, 'flo2.lock'));
  return holder !== null && isHeld(holder, await readProcessIdentity(holder.pid));
};

/**
 * Makes this process the only flo2 that uses the directory, which is created when missing. A lock left
 * by a process that is gone is taken over.
 *
 * Rejects when another live flo2 holds it.
 */
export const lockDataDirectory = async (directory: string): Promise<DataDirectoryLock> => {
  await mkdir(directory, { recursive: true });
  const path = join(directory, 'flo2.lock');
  const claim = `${path}.${process.pid}.${randomBytes(4).toString('hex')}`;
  await writeFile(claim, `${process.pid}\n${(await readProcessIdentity(process.pid)) ?? ''}\n`, {
    mode: 0o600,
  });
  try {
    for (let attempt = 0; attempt < 5; attempt += 1) {
      // A hard link appears whole or not at all, so no other process reads half a lock.
      const won = await link(claim, path).then(
        () => true,
        (error: unknown) => {
          if (error instanceof Error && 'code' in error && error.code === 'EEXIST') return false;
          throw error;
        },
      );
      if (won) return { release: () => rm(path, { force: true }) };

      const holder = await readHolder(path);
      if (holder !== null && isHeld(holder, await readProcessIdentity(holder.pid))) {
        throw new Error(
          `Another flo2 (process ${holder.pid}) uses the data directory ${directory}: stop it, or set FLO2_DATA_DIR to another directory.`,
        );
      }
      await removeStaleLock(path, holder);
    }
  } finally {
    await rm(claim, { force: true });
  }
  throw new Error(
    `The lock ${path} keeps changing hands: several flo2 start on this data directory at once. Start one.`,
  );
};

/** Two starts may find the same stale lock; what one of them has put in its place meanwhile stays. */
const removeStaleLock = async (path: string, stale: LockHolder | null): Promise<void> => {
  const aside = `${path}.stale.${randomBytes(4).toString('hex')}`;
  try {
    await rename(path, aside);
  } catch {
    return;
  }
  const moved = await readHolder(aside);
  const isTheStaleOne = moved?.pid === stale?.pid && moved?.identity === stale?.identity;
  if (!isTheStaleOne) await link(aside, path).catch(() => {});
  await rm(aside, { force: true });
};
