import { expect, it } from 'vitest';
import { LOST_AFTER_MS, LostWorkers } from './lost-workers.ts';

const holding = (beats: number, newestClaim = 'att_1') => ({ beats, newestClaim });

it('takes a worker for lost that has not beaten for as long, and no other', () => {
  const workers = new LostWorkers();
  const observe = (silent: number, alive: number, nowMs: number): string[] =>
    workers.observe(
      new Map([
        ['silent', holding(silent)],
        ['alive', holding(alive)],
      ]),
      nowMs,
    );
  expect(observe(3, 1, 0)).toEqual([]);
  expect(observe(3, 2, LOST_AFTER_MS - 1)).toEqual([]);
  expect(observe(3, 3, LOST_AFTER_MS)).toEqual(['silent']);
});

it('begins anew where a worker beats again, holds nothing any more, or nothing could be seen', () => {
  const workers = new LostWorkers();
  workers.observe(new Map([['one', holding(1)]]), 0);
  expect(workers.observe(new Map([['one', holding(2)]]), LOST_AFTER_MS)).toEqual([]);
  workers.observe(new Map(), LOST_AFTER_MS + 1);
  expect(workers.observe(new Map([['one', holding(2)]]), 2 * LOST_AFTER_MS)).toEqual([]);
  workers.clear();
  expect(workers.observe(new Map([['one', holding(2)]]), 9 * LOST_AFTER_MS)).toEqual([]);
});

it('does not take a worker for lost that had nothing in hand for long and then claims more', () => {
  const workers = new LostWorkers();
  workers.observe(new Map([['one', holding(0, 'att_1')]]), 0);
  expect(workers.observe(new Map([['one', holding(0, 'att_1')]]), LOST_AFTER_MS)).toEqual(['one']);
  workers.awaitResults('one', 7);
  expect(workers.observe(new Map([['one', holding(0, 'att_2')]]), LOST_AFTER_MS + 1)).toEqual([]);
  expect(workers.resultsAt('one')).toBeNull();
  // Some of what a lost one held was mended: that is no word of it.
  expect(workers.observe(new Map([['one', holding(0, 'att_1')]]), 2 * LOST_AFTER_MS + 1)).toEqual(['one']);
  expect(workers.newestClaim('one')).toBe('att_2');
});

it('remembers up to which result a lost worker’s work waits', () => {
  const workers = new LostWorkers();
  workers.observe(new Map([['one', holding(1)]]), 0);
  expect(workers.resultsAt('one')).toBeNull();
  workers.awaitResults('one', 7);
  workers.observe(new Map([['one', holding(1)]]), LOST_AFTER_MS);
  expect(workers.resultsAt('one')).toBe(7);
  workers.observe(new Map([['one', holding(2)]]), LOST_AFTER_MS + 1);
  expect(workers.resultsAt('one')).toBeNull();
});
