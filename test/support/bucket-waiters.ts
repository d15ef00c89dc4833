/** What tests of the rate-limit bucket in virtual time have in common. */
import type { CallOutcome } from '#domain/ports';
import type { Waiter } from '#domain/lane-queue';
import { RateLimitBucket } from '#domain/rate-limit-bucket';

/** A seeded source of numbers in [0, 1). */
export const randomOf = (seed: number) => () => {
  seed = (Math.imul(seed, 1_664_525) + 1_013_904_223) >>> 0;
  return seed / 2 ** 32;
};

export const waiterOf = (ticket: string, changes: Partial<Waiter> = {}): Waiter => ({
  ticket,
  lane: 'interactive',
  flow: [
    { name: '', weight: 1 },
    { name: '', weight: 1 },
  ],
  inputTokens: 20,
  outputTokens: 64,
  deadlineAtMs: 1_000_000_000,
  ...changes,
});

export const success = (changes: Partial<CallOutcome> = {}): CallOutcome => ({
  error: null,
  inputTokens: 20,
  outputTokens: 20,
  readings: [],
  startedAtMs: 0,
  firstTokenAtMs: null,
  endedAtMs: 0,
  ...changes,
});

export const bucketOf = (nowMs = 0): RateLimitBucket => {
  let ids = 0;
  return new RateLimitBucket({ mintId: () => `id${(ids += 1)}`, nowMs });
};
