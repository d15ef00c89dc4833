import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { AdaptiveConcurrency } from './adaptive-concurrency.ts';
import { Breaker } from './breaker.ts';
import { RetryBudget } from './retry-budget.ts';

const fail = (breaker: Breaker, times: number, nowMs = 0): void => {
  for (let count = 0; count < times; count += 1) breaker.record('server', nowMs, nowMs);
};

describe('a breaker', () => {
  it('opens at the fifth failure in a row, and for half of twenty within ten seconds', () => {
    const row = new Breaker();
    fail(row, 4);
    expect(row.state).toBe('closed');
    fail(row, 1);
    expect(row.state).toBe('open');

    const often = new Breaker();
    for (let count = 0; count < 20; count += 1)
      often.record(count % 2 === 0 ? 'timeout' : null, count, count);
    expect(often.state).toBe('open');
  });

  it('takes limits, keys and clients for no trouble of the target', () => {
    const breaker = new Breaker();
    for (const code of [
      'rate_limit_requests',
      'authentication',
      'quota',
      'cancelled',
      'invalid_request',
    ] as const) {
      for (let count = 0; count < 30; count += 1) breaker.record(code, count, count);
    }
    expect(breaker.state).toBe('closed');
  });

  it('probes once, waits twice as long after each failed probe, and never more than 30 s', () => {
    const breaker = new Breaker();
    fail(breaker, 5);
    let nowMs = 0;
    const waits: number[] = [];
    for (let probe = 0; probe < 6; probe += 1) {
      const openedAtMs = nowMs;
      nowMs = breaker.retryAtMs;
      waits.push(nowMs - openedAtMs);
      expect(breaker.admit(nowMs - 1)).toBe(false);
      expect(breaker.admit(nowMs)).toBe(true);
      expect(breaker.admit(nowMs)).toBe(false);
      breaker.record('server', nowMs, nowMs);
    }
    expect(waits).toEqual([5_000, 10_000, 20_000, 30_000, 30_000, 30_000]);
    nowMs = breaker.retryAtMs;
    breaker.admit(nowMs);
    breaker.record(null, nowMs - 1, nowMs);
    expect(breaker.state).toBe('half_open');
    breaker.record(null, nowMs, nowMs);
    expect(breaker.state).toBe('closed');
  });

  it('lets another probe out where one is lost, or was never made', () => {
    const breaker = new Breaker();
    fail(breaker, 5);
    breaker.admit(5_000);
    expect(breaker.admit(34_999)).toBe(false);
    expect(breaker.admit(35_000)).toBe(true);
    breaker.abandonProbe(35_001);
    expect(breaker.admit(35_001)).toBe(true);
  });
});

describe('the concurrency that is found by trying', () => {
  it('doubles in each round while it is used, falls to seven tenths once a second, and stays in its bounds', () => {
    const found = new AdaptiveConcurrency({ ceiling: 100 });
    for (let round = 0; round < 3; round += 1) {
      for (let call = found.limit; call > 0; call -= 1) found.succeeded(found.limit);
    }
    expect(found.limit).toBe(64);
    found.congested(0);
    found.congested(999);
    expect(found.limit).toBe(44);
    for (let call = 0; call < 44; call += 1) found.succeeded(44);
    expect(found.limit).toBe(45);
    fc.assert(
      fc.property(fc.array(fc.tuple(fc.boolean(), fc.nat(200))), (signs) => {
        const any = new AdaptiveConcurrency({ ceiling: 50 });
        for (const [index, [isGood, inFlight]] of signs.entries()) {
          if (isGood) any.succeeded(inFlight);
          else any.congested(index * 600);
          expect(any.limit).toBeGreaterThanOrEqual(1);
          expect(any.limit).toBeLessThanOrEqual(50);
        }
      }),
    );
  });

  it('does not grow while half of it is not used', () => {
    const quiet = new AdaptiveConcurrency({ ceiling: 100 });
    for (let call = 0; call < 1_000; call += 1) quiet.succeeded(1);
    expect(quiet.limit).toBe(8);
  });
});

describe('the budget of repetitions', () => {
  it('is a tenth of the requests, and a few at first', () => {
    fc.assert(
      fc.property(fc.array(fc.boolean(), { maxLength: 2_000 }), (wantsRetry) => {
        const budget = new RetryBudget();
        let repeated = 0;
        for (const wants of wantsRetry) {
          budget.deposit();
          if (wants && budget.withdraw()) repeated += 1;
        }
        expect(repeated).toBeLessThanOrEqual(wantsRetry.length * 0.1 + 3);
      }),
    );
  });
});
