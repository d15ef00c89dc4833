import { describe, expect, it } from 'vitest';
import { seededMint } from '#test/support/attempt-events';
import type { Obstacle } from './rate-limit-bucket.ts';
import { lateError, type Refusal } from './room-refusal.ts';

const mint = seededMint(17, 1_000);
const providerKeyId = mint.mint('pkey');
const plan = {
  steps: [
    { provider: 'openai' as const, model: 'gpt-4o', providerKeyIds: [providerKeyId] },
    { provider: 'anthropic' as const, model: 'claude-haiku-4-5', providerKeyIds: [providerKeyId] },
  ],
  maxAttempts: 2,
  attemptTimeoutMs: null,
};
const refusalOf = (obstacle: Obstacle, step = 0): Refusal => ({
  candidate: { step, keyIndex: 0, providerKeyId, bucket: `bucket ${step}`, declared: undefined },
  obstacle,
});
/** Of a request with five seconds left. */
const told = (...refusals: Refusal[]) => lateError(refusals, { plan, deadlineAtMs: 5_000 }, 0);

describe('who cannot have room in time', () => {
  const cases: [Obstacle, { code: string; status: number; retryAfterMs: number }, RegExp][] = [
    [
      { of: 'requests', waitMs: 12_000 },
      { code: 'rate_limit_requests', status: 429, retryAfterMs: 12_000 },
      /^The request limit of the keys for openai\/gpt-4o has room in about 12 s, after this request’s deadline\. .*x-flo2-timeout-ms/,
    ],
    [
      { of: 'tokens', waitMs: 12_000 },
      { code: 'rate_limit_tokens', status: 429, retryAfterMs: 12_000 },
      /^The token limit of the keys for openai\/gpt-4o has room in about 12 s, after/,
    ],
    [
      { of: 'tokens', waitMs: 20 },
      { code: 'rate_limit_tokens', status: 429, retryAfterMs: 1_000 },
      /^The token limit .* in about 1 s, which leaves this request too little time for a call\./,
    ],
    [
      { of: 'concurrency', waitMs: 7_000 },
      { code: 'rate_limit_requests', status: 429, retryAfterMs: 7_000 },
      /^As many calls to openai\/gpt-4o are under way as its keys may have at once; there is room in about 7 s/,
    ],
    [
      { of: 'tokens', waitMs: 60_000, why: 'pause' },
      { code: 'rate_limit_tokens', status: 429, retryAfterMs: 60_000 },
      /^The provider asked for no calls to openai\/gpt-4o for another 60 s, after/,
    ],
    [
      { of: 'requests', waitMs: 2_000, why: 'crowd' },
      { code: 'queue_full', status: 429, retryAfterMs: 2_000 },
      /^As many requests wait for room at openai\/gpt-4o as may\./,
    ],
    [
      { of: 'concurrency', waitMs: 0, why: 'late' },
      { code: 'rate_limit_requests', status: 429, retryAfterMs: 1_000 },
      /^When there was room for this request at openai\/gpt-4o, too little of its time was left/,
    ],
    [
      { of: 'trouble', waitMs: 4_100 },
      { code: 'overloaded', status: 503, retryAfterMs: 4_100 },
      /^openai\/gpt-4o failed again and again; it is asked again in 5 s\./,
    ],
  ];

  it.each(cases)('is told what stands in the way: %j', (obstacle, expected, message) => {
    const error = told(refusalOf(obstacle));
    expect(error).toMatchObject(expected);
    expect(error?.message).toMatch(message);
  });

  it('is told of the target that would have had it first', () => {
    const later = refusalOf({ of: 'requests', waitMs: 30_000 });
    const sooner = refusalOf({ of: 'concurrency', waitMs: 9_000 }, 1);
    expect(told(later, sooner)?.message).toMatch(/anthropic\/claude-haiku-4-5.* 9 s/);
    expect(told()).toBeNull();
  });
});
