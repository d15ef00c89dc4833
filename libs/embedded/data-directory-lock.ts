import { randomBytes } from 'node:crypto';
import { link, mkdir, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
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

/** `flo2.lock.<generation>`: whoever takes over from a dead holder makes the next generation's. */
const PREFIX = 'flo2.lock.';
const TRIES = 5;

type FoundLock = { generation: number; path: string; holder: LockHolder | null };

const findLocks = async (directory: string): Promise<FoundLock[]> => {
  const names = await readdir(directory).catch(() => []);
  const found = names.filter(
    (name) => name.startsWith(PREFIX) && /^\d{1,15}$/.test(name.slice(PREFIX.length)),
  );
  return Promise.all(
    found.map(async (name) => ({
      generation: Number(name.slice(PREFIX.length)),
      path: join(directory, name),
      holder: decodeLockHolder(await readFile(join(directory, name), 'utf8').catch(() => '')),
    })),
  );
};

const findLiveHolder = async (locks: readonly FoundLock[]): Promise<LockHolder | null> => {
  for (const { holder } of locks) {
    if (holder !== null && isHeld(holder, await readProcessIdentity(holder.pid))) return holder;
  }
  return null;
};

/** True when a lock's process is alive; used to tell a crashed owner's directory from a live one. */
export const isLocked = async (directory: string): Promise<boolean> =>
  (await findLiveHolder(await findLocks(directory))) !== null;

/** A directory younger than this may belong to one that is about to lock it. */
const UNLOCKED_MS = 10 * 60_000;

/**
 * Whether whoever used the directory is gone: its lock's process has ended, or it has stood without a lock for long.
 * Rejects where that cannot be told; nothing of it may be touched then.
 */
export const isLeftBehind = async (directory: string): Promise<boolean> => {
  await readdir(directory);
  const locks = await findLocks(directory);
  if (locks.length > 0) return (await findLiveHolder(locks)) === null;
  return Date.now() - (await stat(directory)).mtimeMs > UNLOCKED_MS;
};

/** A hard link appears whole or not at all, so nobody reads half a lock, and only one can make it. */
const tryLink = (claim: string, path: string): Promise<boolean> =>
  link(claim, path).then(
    () => true,
    (error: unknown) => {
      if (error instanceof Error && 'code' in error && error.code === 'EEXIST') return false;
      throw error;
    },
  );

/**
 * Makes this process the only flo2 that uses the directory, which is created when missing. A lock left
 * by a process that is gone is taken over: of those that find it, one makes the next generation's, and
 * holds it unless a live one turns out to stand beside it.
 *
 * Rejects when another live flo2 holds it.
 */
export const lockDataDirectory = async (directory: string): Promise<DataDirectoryLock> => {
  await mkdir(directory, { recursive: true });
  const claim = join(directory, `flo2.claim.${process.pid}.${randomBytes(4).toString('hex')}`);
  await writeFile(claim, `${process.pid}\n${(await readProcessIdentity(process.pid)) ?? ''}\n`, {
    mode: 0o600,
  });
  try {
    for (let tries = 0; tries < TRIES; tries += 1) {
      const locks = await findLocks(directory);
      const holder = await findLiveHolder(locks);
      if (holder !== null) {
        throw new Error(
          `Another flo2 (process ${holder.pid}) uses the data directory ${directory}: stop it, or set FLO2_DATA_DIR to another directory.`,
        );
      }
      const generation = Math.max(0, ...locks.map((lock) => lock.generation)) + 1;
      const path = `${join(directory, PREFIX)}${generation}`;
      if (!(await tryLink(claim, path))) continue;
      const others = (await findLocks(directory)).filter((lock) => lock.generation !== generation);
      if ((await findLiveHolder(others)) === null) {
        await Promise.all(others.map((lock) => rm(lock.path, { force: true })));
        return { release: () => rm(path, { force: true }) };
      }
      await rm(path, { force: true });
    }
  } finally {
    await rm(claim, { force: true });
  }
  throw new Error(
    `The lock of ${directory} keeps changing hands: several flo2 start on this data directory at once. Start one.`,
  );
};
