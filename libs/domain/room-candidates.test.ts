import { expect, it } from 'vitest';
import { seededMint } from '#test/support/attempt-events';
import type { ApiKeyLimits } from './api-key.ts';
import { candidatesOf } from './room-candidates.ts';

const mint = seededMint(13, 1_000);
const keyOf = (account: string | null, limits: ApiKeyLimits) => ({
  id: mint.mint('pkey'),
  provider: 'openai' as const,
  models: null,
  weight: 1,
  account,
  limits,
});

it('takes the lowest that any key of a shared account declares for the account’s', () => {
  const providerKeys = [
    keyOf('shared', { requestsPerMinute: 600, concurrency: 4 }),
    keyOf('shared', {}),
    keyOf('shared', { requestsPerMinute: 60, tokensPerMinute: 1_000 }),
    keyOf(null, { requestsPerMinute: 7 }),
    { ...keyOf('shared', { requestsPerMinute: 1 }), provider: 'groq' as const },
  ];
  const own = providerKeys.slice(0, 4);
  const candidates = candidatesOf({
    tenantId: mint.mint('ten'),
    lane: 'interactive',
    team: null,
    feature: null,
    routing: { providerKeys, shares: { teams: {}, features: {} } },
    plan: {
      steps: [
        {
          provider: 'openai',
          model: 'gpt-4o-mini',
          providerKeyIds: own.map(({ id }) => id),
          accounts: own.map(({ account }) => account),
        },
      ],
      maxAttempts: 1,
      attemptTimeoutMs: null,
    },
    inputTokens: 1,
    outputTokens: 1,
    deadlineAtMs: 2_000,
  });
  const shared = { requestsPerMinute: 60, tokensPerMinute: 1_000, concurrency: 4 };
  expect(candidates.map(({ declared }) => declared)).toEqual([
    shared,
    shared,
    shared,
    { requestsPerMinute: 7 },
  ]);
});
