import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { decodeLockHolder, isHeld, isLocked, lockDataDirectory } from './data-directory-lock.ts';

describe('decodeLockHolder', () => {
  it('reads a process id and what identifies the process', () => {
    expect(decodeLockHolder('41\nboot/7\n')).toEqual({ pid: 41, identity: 'boot/7' });
    expect(decodeLockHolder('41\n')).toEqual({ pid: 41, identity: null });
  });
  it.each(['', '0', '-1', 'abc', '1e9'])('takes %j for no holder', (text) => {
    expect(decodeLockHolder(text)).toBeNull();
  });
});

describe('isHeld', () => {
  it('is no longer held once the process is gone or another has its id', () => {
    expect(isHeld({ pid: 41, identity: 'boot/7' }, 'boot/7')).toBe(true);
    expect(isHeld({ pid: 41, identity: 'boot/7' }, 'boot/8')).toBe(false);
    expect(isHeld({ pid: 41, identity: 'boot/7' }, null)).toBe(false);
    expect(isHeld({ pid: 41, identity: null }, 'boot/8')).toBe(true);
  });
});

describe('lockDataDirectory', () => {
  let directory: string;
  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), 'data-directory-lock-'));
  });
  afterEach(() => rm(directory, { recursive: true, force: true }));

  it('lets one holder in at a time and names it to the other', async () => {
    const lock = await lockDataDirectory(join(directory, 'new'));
    expect(await isLocked(join(directory, 'new'))).toBe(true);
    await expect(lockDataDirectory(join(directory, 'new'))).rejects.toThrow(
      `Another flo2 (process ${process.pid}) uses the data directory`,
    );
    await lock.release();
    await lock.release();
    expect(await readdir(join(directory, 'new'))).toEqual([]);
    await (await lockDataDirectory(join(directory, 'new'))).release();
  });
  it.each([
    ['of another process with the same id', `${process.pid}\nanother boot/1\n`],
    ['of a process that is gone', '4194305\nboot/1\n'],
    ['that makes no sense', 'rubbish'],
  ])('takes over a lock %s', async (_name, text) => {
    await writeFile(join(directory, 'flo2.lock.7'), text);
    expect(await isLocked(directory)).toBe(false);
    await (await lockDataDirectory(directory)).release();
    expect(await readdir(directory)).toEqual([]);
  });
  it('gives a stale lock to exactly one of many that start at once', async () => {
    await writeFile(join(directory, 'flo2.lock.7'), '4194305\nboot/1\n');
    const starts = await Promise.allSettled(Array.from({ length: 8 }, () => lockDataDirectory(directory)));
    expect(starts.filter(({ status }) => status === 'fulfilled')).toHaveLength(1);
  });
});
