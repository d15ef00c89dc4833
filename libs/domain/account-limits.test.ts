import { describe, expect, it } from 'vitest';
import type { RateLimitReading } from '#contracts/rate-limit-reading';
import { AccountLimits } from './account-limits.ts';

const ONE = { inputTokens: 10, outputTokens: 10 };

const told = (limit: number, changes: Partial<RateLimitReading> = {}): RateLimitReading => ({
  unit: 'requests',
  windowMs: 60_000,
  limit,
  remaining: limit,
  resetAtMs: null,
  ...changes,
});

const learn = (limits: AccountLimits, reading: RateLimitReading, nowMs = 0): void =>
  limits.learn([reading], { mark: null, underWay: 0, durationMs: 0 }, nowMs);

/** Calls that go out in a minute after ten of them in which the limits could fill. */
const callsAMinute = (limits: AccountLimits): number => {
  let calls = 0;
  for (let nowMs = 600_000; nowMs < 660_000; nowMs += 20) {
    for (; limits.shortageFor(ONE, nowMs) === null; calls += 1) limits.spend(ONE, nowMs);
  }
  return calls;
};

describe('the limits of an account', () => {
  it('are the lower of what the tenant declares and the provider tells', () => {
    const lower = new AccountLimits([], 0);
    lower.declare({ requestsPerMinute: 60 }, 0);
    learn(lower, told(6_000));
    expect(callsAMinute(lower)).toBeLessThan(2 * 60);

    const higher = new AccountLimits([], 0);
    higher.declare({ requestsPerMinute: 6_000 }, 0);
    learn(higher, told(60));
    expect(callsAMinute(higher)).toBeLessThan(2 * 60);
  });

  it('are the provider’s again once the tenant declares none any more', () => {
    const limits = new AccountLimits([], 0);
    limits.declare({ requestsPerMinute: 60 }, 0);
    learn(limits, told(6_000));
    expect(limits.snapshot()).toEqual([{ unit: 'requests', limit: 6_000, windowMs: 60_000 }]);
    limits.declare({}, 0);
    expect(callsAMinute(limits)).toBeGreaterThan(6_000);
  });

  it('are compared by what they allow in the same time', () => {
    const limits = new AccountLimits([], 0);
    limits.declare({ requestsPerMinute: 100 }, 0);
    learn(limits, told(5, { windowMs: 1_000 }));
    expect(callsAMinute(limits)).toBeLessThan(210);
  });

  it('are not zero where a server says that it has none', () => {
    const limits = new AccountLimits([], 0);
    limits.declare({ requestsPerMinute: 600 }, 0);
    learn(limits, told(0));
    expect(callsAMinute(limits)).toBeGreaterThan(600);
  });
});
