import { describe, expect, it } from 'vitest';
import { requestPlan } from '#contracts/dispatch';
import { FloError, type ErrorCode } from './errors.ts';
import { firstByteBudgetMs, nextMove, type Standing } from './failover.ts';
import { IdMint } from './mint-id.ts';

const mint = new IdMint({ nowMs: () => 1_000, fillRandom: (bytes) => bytes.fill(7) });

const planOf = (keysPerStep: number[], maxAttempts = 3, attemptTimeoutMs: number | null = null) =>
  requestPlan.parse({
    steps: keysPerStep.map((keys) => ({
      provider: 'openai',
      model: 'm',
      providerKeyIds: Array.from({ length: keys }, () => mint.mint('pkey')),
    })),
    maxAttempts,
    attemptTimeoutMs,
  });

const standing = (changes: Partial<Standing> = {}): Standing => ({
  plan: planOf([1]),
  step: 0,
  untriedKeys: 0,
  attempts: 1,
  attemptsAtStep: 1,
  nowMs: 0,
  deadlineAtMs: 60_000,
  random: 0.5,
  ...changes,
});

const failure = (code: ErrorCode, retryAfterMs?: number) => new FloError(code, 'x', { retryAfterMs });

describe('nextMove', () => {
  it.each<ErrorCode>(['connection', 'server', 'overloaded', 'timeout', 'rate_limit_requests', 'quota'])(
    'hands over at once after %s while a target is left',
    (code) => {
      const move = nextMove(standing({ plan: planOf([1, 1]) }), failure(code, 5_000));
      expect(move).toEqual({ kind: 'hand_over', step: 1 });
    },
  );

  it('tries the next key first where the error is the key’s own', () => {
    for (const code of ['authentication', 'quota', 'rate_limit_tokens'] as const) {
      const move = nextMove(standing({ plan: planOf([2, 1]), untriedKeys: 1 }), failure(code));
      expect(move).toEqual({ kind: 'other_key' });
    }
    expect(nextMove(standing({ plan: planOf([2, 1]), untriedKeys: 1 }), failure('server')).kind).toBe(
      'hand_over',
    );
  });

  it('waits as long as the provider asks before it tries the last target again', () => {
    expect(nextMove(standing(), failure('rate_limit_requests', 2_000))).toEqual({
      kind: 'retry',
      delayMs: 2_000,
    });
  });

  it('waits longer each time where the provider says nothing', () => {
    const delays = [1, 2].map((attemptsAtStep) => {
      const move = nextMove(standing({ attemptsAtStep, plan: planOf([1], 9) }), failure('server'));
      return move.kind === 'retry' ? move.delayMs : null;
    });
    expect(delays).toEqual([188, 375]);
  });

  it('gives up where waiting is the client’s, or the deadline comes first', () => {
    expect(nextMove(standing(), failure('rate_limit_requests', 10_001)).kind).toBe('give_up');
    expect(nextMove(standing({ deadlineAtMs: 2_000 }), failure('overloaded', 2_000)).kind).toBe('give_up');
  });

  it('gives up when the attempts are used up, and where every target would say the same', () => {
    expect(nextMove(standing({ attempts: 3, plan: planOf([1, 1]) }), failure('server')).kind).toBe('give_up');
    expect(nextMove(standing({ plan: planOf([2, 1]) }), failure('invalid_request')).kind).toBe('give_up');
    expect(nextMove(standing({ attemptsAtStep: 3, plan: planOf([1], 9) }), failure('server')).kind).toBe(
      'give_up',
    );
    expect(nextMove(standing(), failure('authentication')).kind).toBe('give_up');
    expect(nextMove(standing(), failure('context_length')).kind).toBe('give_up');
  });
});

describe('firstByteBudgetMs', () => {
  it('is an equal share of the time left for the targets left', () => {
    const plan = planOf([1, 1, 1]);
    expect(firstByteBudgetMs({ plan, step: 0, nowMs: 0, deadlineAtMs: 30_000 })).toBe(10_000);
    expect(firstByteBudgetMs({ plan, step: 2, nowMs: 10_000, deadlineAtMs: 30_000 })).toBe(20_000);
  });

  it('is never over the route’s own limit', () => {
    const plan = planOf([1, 1], 3, 500);
    expect(firstByteBudgetMs({ plan, step: 0, nowMs: 0, deadlineAtMs: 30_000 })).toBe(500);
    expect(firstByteBudgetMs({ plan, step: 0, nowMs: 0, deadlineAtMs: 400 })).toBe(200);
  });
});
