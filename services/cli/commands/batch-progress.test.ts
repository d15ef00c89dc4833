import { expect, it } from 'vitest';
import { describeDuration, describeProgress, keepSamples, paceOf, type Sample } from './batch-progress.ts';

it('tells the share, the counts, the pace and when it will be done', () => {
  expect(describeProgress({ total: 50_000, ended: 12_500, failed: 3 }, 812.4)).toBe(
    '███████░░░░░░░░░░░░░░░░░░░░░░░ 25 % · 12,500 of 50,000 lines · 3 failed · 812/s · ETA 0:46',
  );
});

it('promises nothing while nothing moves', () => {
  expect(describeProgress({ total: 10, ended: 2, failed: 0 }, 0)).not.toMatch(/ETA|\/s/);
  expect(describeProgress({ total: 0, ended: 0, failed: 0 }, null)).toMatch(/ 0 % · 0 of 0 lines$/);
  expect(describeProgress({ total: 10, ended: 10, failed: 0 }, 4)).not.toMatch(/ETA/);
});

it('takes its pace from the last half minute', () => {
  let samples: Sample[] = [];
  for (let second = 0; second <= 60; second += 1) {
    const ended = second < 30 ? 0 : (second - 30) * 10;
    samples = keepSamples(samples, { atMs: second * 1_000, ended });
  }
  expect(paceOf(samples)).toBe(10);
  expect(paceOf([{ atMs: 1, ended: 1 }])).toBeNull();
});

it('writes durations as clocks do', () => {
  expect([5, 65, 3_665].map(describeDuration)).toEqual(['0:05', '1:05', '1:01:05']);
});
