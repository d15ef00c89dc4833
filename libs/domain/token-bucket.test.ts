import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { TokenBucket } from './token-bucket.ts';

const bucketOf = (changes: { limit?: number; level?: number } = {}) =>
  new TokenBucket({ limit: 600, windowMs: 60_000, nowMs: 0, ...changes });

const reading = (changes: { remaining?: number; spentSince?: number; ageMs?: number }) => ({
  remaining: 600,
  spentSince: 0,
  ageMs: 0,
  ...changes,
});

describe('a token bucket', () => {
  it('starts with a second’s worth, and refills a little slower than the limit', () => {
    const bucket = bucketOf();
    expect(bucket.level(0)).toBe(10);
    expect(bucket.level(10_000)).toBeCloseTo(10 + 98);
    expect(bucket.level(1_000_000)).toBe(bucket.capacity);
  });

  it('leaves a part of what has come in so far, and of all it holds once it could be full', () => {
    const bucket = bucketOf();
    expect(bucket.partOf(0.2, 0)).toBeCloseTo(2);
    expect(bucket.partOf(0.2, 10_000)).toBeCloseTo(0.2 * (10 + 98));
    bucket.spend(50, 10_000);
    expect(bucket.partOf(0.2, 10_000)).toBeCloseTo(0.2 * (10 + 98));
    expect(bucket.partOf(0.2, 600_000)).toBeCloseTo(0.2 * bucket.capacity);
  });

  it('makes a cost over the capacity wait for a full bucket, not for ever', () => {
    const bucket = bucketOf({ level: 588 });
    expect(bucket.waitMs(10_000, 0)).toBe(0);
    bucket.spend(10_000, 0);
    expect(bucket.level(0)).toBeLessThan(0);
    expect(bucket.waitMs(1, 0)).toBeGreaterThan(900_000);
  });

  it('believes a header that says less, keeps a margin, and is raised by none', () => {
    const bucket = bucketOf({ level: 300 });
    bucket.learn(reading({ remaining: 100, spentSince: 8 }), 0);
    expect(bucket.level(0)).toBe(100 - 8 - 12);
    bucket.learn(reading({ remaining: 599 }), 0);
    expect(bucket.level(0)).toBe(80);
  });

  it('takes what a provider first shows for its whole burst', () => {
    const bucket = bucketOf();
    bucket.spend(1, 0);
    bucket.learn(reading({ remaining: 19 }), 0);
    expect(bucket.capacity).toBe(15);
    expect(bucket.level(60_000)).toBe(15);
    bucket.learn(reading({ remaining: 599 }), 60_000);
    expect(bucket.capacity).toBe(587);
  });

  it('never lets more through than its start, its refill and what was given back', () => {
    const steps = fc.array(
      fc.record({
        afterMs: fc.integer({ min: 0, max: 5_000 }),
        cost: fc.integer({ min: 1, max: 50 }),
        remaining: fc.option(fc.integer({ min: 0, max: 600 })),
      }),
      { maxLength: 200 },
    );
    fc.assert(
      fc.property(steps, (taken) => {
        const bucket = bucketOf();
        let nowMs = 0;
        let spent = 0;
        for (const { afterMs, cost, remaining } of taken) {
          nowMs += afterMs;
          if (remaining !== null) bucket.learn(reading({ remaining }), nowMs);
          expect(bucket.level(nowMs)).toBeLessThanOrEqual(bucket.capacity);
          if (bucket.waitMs(cost, nowMs) > 0) continue;
          bucket.spend(cost, nowMs);
          spent += cost;
        }
        // One cost may be over the capacity that a header has left, and is a debt then.
        expect(spent).toBeLessThanOrEqual(10 + (nowMs * 600) / 60_000 + 50);
      }),
    );
  });
});
