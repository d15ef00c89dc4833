import { describe, expect, it } from 'vitest';
import type { ApiKeyLimits } from './api-key.ts';
import { AdmissionLimits } from './admission-limits.ts';
import { FloError } from './errors.ts';
import { IdMint } from './mint-id.ts';

const mint = new IdMint({ nowMs: () => 1, fillRandom: (bytes) => crypto.getRandomValues(bytes) });
const keyWith = (limits: ApiKeyLimits) => ({ id: mint.mint('akey'), limits });

const retryAfterOf = (admit: () => unknown): number | undefined => {
  try {
    admit();
  } catch (error) {
    if (error instanceof FloError && error.code === 'rate_limited') return error.retryAfterMs;
    throw error;
  }
  return undefined;
};

describe('AdmissionLimits', () => {
  it('takes everything of a key without limits', () => {
    const limits = new AdmissionLimits();
    const key = keyWith({});
    for (let count = 0; count < 1_000; count += 1) limits.admit(key, { tokens: 1_000, nowMs: 0 });
  });

  it('lets through a minute’s requests at once, then one for each part of a minute', () => {
    const limits = new AdmissionLimits();
    const key = keyWith({ requestsPerMinute: 3 });
    const admit = (nowMs: number) => limits.admit(key, { tokens: 1, nowMs });
    for (let count = 0; count < 3; count += 1) admit(0);
    expect(retryAfterOf(() => admit(0))).toBe(20_000);
    expect(retryAfterOf(() => admit(19_999))).toBe(1);
    admit(20_000);
    expect(retryAfterOf(() => admit(20_000))).toBe(20_000);
  });

  it('counts tokens, and lets a request over the limit through alone', () => {
    const limits = new AdmissionLimits();
    const key = keyWith({ tokensPerMinute: 100 });
    limits.admit(key, { tokens: 60, nowMs: 0 });
    expect(retryAfterOf(() => limits.admit(key, { tokens: 50, nowMs: 0 }))).toBe(6_000);
    limits.admit(key, { tokens: 5_000, nowMs: 36_000 });
  });

  it('takes nothing for a request that it refuses', () => {
    const limits = new AdmissionLimits();
    const key = keyWith({ requestsPerMinute: 2, tokensPerMinute: 100 });
    limits.admit(key, { tokens: 100, nowMs: 0 });
    for (let count = 0; count < 5; count += 1) {
      expect(retryAfterOf(() => limits.admit(key, { tokens: 100, nowMs: 0 }))).toBe(60_000);
    }
    limits.admit(key, { tokens: 0, nowMs: 0 });
  });

  it('counts what is open, and gives it back once', () => {
    const limits = new AdmissionLimits();
    const key = keyWith({ concurrency: 1 });
    const release = limits.admit(key, { tokens: 1, nowMs: 0 });
    expect(retryAfterOf(() => limits.admit(key, { tokens: 1, nowMs: 0 }))).toBe(1_000);
    release();
    release();
    limits.admit(key, { tokens: 1, nowMs: 0 });
    expect(retryAfterOf(() => limits.admit(key, { tokens: 1, nowMs: 0 }))).toBe(1_000);
  });

  it('holds nothing against a key that was let through before it had a limit', () => {
    const limits = new AdmissionLimits();
    const key = keyWith({ concurrency: 1 });
    for (let count = 0; count < 1_000; count += 1) limits.admit(key, { tokens: 1, nowMs: 0 })();
    const limited = { ...key, limits: { requestsPerMinute: 60 } };
    expect(retryAfterOf(() => limits.admit(limited, { tokens: 1, nowMs: 60_000 }))).toBeUndefined();
  });

  it('forgets the keys that were used longest ago, and none that has requests open', () => {
    const limits = new AdmissionLimits();
    const busy = keyWith({ concurrency: 1 });
    limits.admit(busy, { tokens: 1, nowMs: 0 });
    for (let count = 0; count < 60_000; count += 1) {
      limits.admit(
        { id: `${busy.id}${count}` as typeof busy.id, limits: busy.limits },
        { tokens: 1, nowMs: 0 },
      )();
    }
    expect(retryAfterOf(() => limits.admit(busy, { tokens: 1, nowMs: 0 }))).toBe(1_000);
  });
});
