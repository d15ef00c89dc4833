import { expect, it } from 'vitest';
import { LOST_AFTER_MS, LostWorkers } from './lost-workers.ts';

it('takes a worker for lost that has not beaten for as long, and no other', () => {
  const workers = new LostWorkers();
  expect(
    workers.observe(
      new Map([
        ['silent', 3],
        ['alive', 1],
      ]),
      0,
    ),
  ).toEqual([]);
  expect(
    workers.observe(
      new Map([
        ['silent', 3],
        ['alive', 2],
      ]),
      LOST_AFTER_MS - 1,
    ),
  ).toEqual([]);
  expect(
    workers.observe(
      new Map([
        ['silent', 3],
        ['alive', 3],
      ]),
      LOST_AFTER_MS,
    ),
  ).toEqual(['silent']);
});

it('begins anew where a worker beats again, holds nothing any more, or nothing could be seen', () => {
  const workers = new LostWorkers();
  workers.observe(new Map([['one', 1]]), 0);
  expect(workers.observe(new Map([['one', 2]]), LOST_AFTER_MS)).toEqual([]);
  workers.observe(new Map(), LOST_AFTER_MS + 1);
  expect(workers.observe(new Map([['one', 2]]), 2 * LOST_AFTER_MS)).toEqual([]);
  workers.clear();
  expect(workers.observe(new Map([['one', 2]]), 9 * LOST_AFTER_MS)).toEqual([]);
});

it('remembers up to which result a lost worker’s work waits', () => {
  const workers = new LostWorkers();
  workers.observe(new Map([['one', 1]]), 0);
  expect(workers.resultsAt('one')).toBeNull();
  workers.awaitResults('one', 7);
  workers.observe(new Map([['one', 1]]), LOST_AFTER_MS);
  expect(workers.resultsAt('one')).toBe(7);
  workers.observe(new Map([['one', 2]]), LOST_AFTER_MS + 1);
  expect(workers.resultsAt('one')).toBeNull();
});
