import { describe, expect, it } from 'vitest';
import { LoadingCache } from './loading-cache.ts';

const setUp = (changes: { entriesMax?: number; keep?: (value: string) => boolean } = {}) => {
  const time = { nowMs: 0 };
  const cache = new LoadingCache<string, string>({
    clock: { nowMs: () => time.nowMs },
    entriesMax: 2,
    freshMs: 1_000,
    staleMs: 5_000,
    ...changes,
  });
  const asked: string[] = [];
  const ask = (key: string, answer: () => Promise<string> = () => Promise.resolve(`value of ${key}`)) =>
    cache.get(key, () => {
      asked.push(key);
      return answer();
    });
  return { time, cache, asked, ask };
};

describe('LoadingCache', () => {
  it('asks once while the value is fresh, and again after', async () => {
    const { time, asked, ask } = setUp();
    await ask('a');
    time.nowMs = 999;
    expect(await ask('a')).toBe('value of a');
    expect(asked).toEqual(['a']);
    time.nowMs = 1_000;
    await ask('a');
    expect(asked).toEqual(['a', 'a']);
  });

  it('asks once for many that ask at once', async () => {
    const { asked, ask } = setUp();
    await Promise.all([ask('a'), ask('a'), ask('a')]);
    expect(asked).toEqual(['a']);
  });

  it('drops the least recently used', async () => {
    const { asked, ask } = setUp();
    await ask('a');
    await ask('b');
    await ask('a');
    await ask('c');
    await ask('a');
    expect(asked).toEqual(['a', 'b', 'c']);
    await ask('b');
    expect(asked).toEqual(['a', 'b', 'c', 'b']);
  });

  it('uses an old value while the source is down, but not for ever', async () => {
    const { time, ask } = setUp();
    const down = () => Promise.reject(new Error('down'));
    await ask('a');
    time.nowMs = 5_999;
    expect(await ask('a', down)).toBe('value of a');
    time.nowMs = 6_000;
    await expect(ask('a', down)).rejects.toThrow('down');
  });

  it('never keeps a value that was dropped while it was being asked for', async () => {
    const { cache, asked, ask } = setUp();
    const { promise, resolve } = Promise.withResolvers<string>();
    const first = ask('a', () => promise);
    cache.drop(() => true);
    resolve('old');
    expect(await first).toBe('old');
    expect(await ask('a', () => Promise.resolve('new'))).toBe('new');
    expect(asked).toEqual(['a', 'a']);
  });

  it('never uses a dropped value, even while the source is down', async () => {
    const { cache, ask } = setUp();
    await ask('a');
    cache.drop((value) => value === 'value of a');
    await expect(ask('a', () => Promise.reject(new Error('down')))).rejects.toThrow('down');
  });

  it('keeps only what may be kept', async () => {
    const { asked, ask } = setUp({ keep: (value) => value !== 'value of a' });
    await ask('a');
    await ask('a');
    expect(asked).toEqual(['a', 'a']);
  });
});
