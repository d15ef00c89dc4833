import { expect, it } from 'vitest';
import { quietFleet } from '#test/support/quiet-fleet';
import type { LimiterAsk, LimiterReply, LimiterReport } from '#contracts/limiter-line';
import { LiveWorkers } from './live-workers.ts';
import { IdMint } from './mint-id.ts';
import { SharedRateLimiter } from './shared-rate-limiter.ts';

const clock = { nowMs: () => 1_000 };
const mint = new IdMint({ ...clock, fillRandom: (bytes) => crypto.getRandomValues(bytes) });

it('takes back a place in the queue that an owner may have given without being heard', async () => {
  const granted: LimiterReply = { verdict: { kind: 'granted', id: 'granted' }, loan: [] };
  const asked: LimiterAsk[] = [];
  const reported: LimiterReport[] = [];
  const workers = new LiveWorkers();
  workers.seen({ workerId: 'worker', isLeaving: false }, clock.nowMs());
  const limiter = new SharedRateLimiter({
    fleet: quietFleet,
    clock,
    workers,
    clientId: 'client',
    onKeyTrouble: () => undefined,
    onKeyRecovered: () => undefined,
    transport: {
      ask: async (_workerId, ask) => {
        asked.push(ask);
        return asked.length === 1 ? null : granted;
      },
      report: (_workerId, report) => void reported.push(report),
    },
    schedule: (milliseconds, callback) => {
      const timer = setTimeout(callback, milliseconds);
      return () => clearTimeout(timer);
    },
  });
  const reservation = limiter.reserve({
    tenantId: mint.mint('ten'),
    lane: 'interactive',
    team: null,
    feature: null,
    routing: { providerKeys: [], shares: { teams: {}, features: {} } },
    plan: {
      steps: [{ provider: 'openai', model: 'gpt-4o-mini', providerKeyIds: [mint.mint('pkey')] }],
      maxAttempts: 1,
      attemptTimeoutMs: 1_000,
    },
    inputTokens: 1,
    outputTokens: 1,
    deadlineAtMs: 60_000,
  });
  expect(await reservation).toMatchObject({ id: 'granted' });
  limiter.stop();
  expect(asked.map(({ mayWait }) => mayWait)).toEqual([true, true]);
  expect(reported.flatMap(({ cancelled }) => cancelled.map(({ ticket }) => ticket))).toEqual([
    asked[0]?.ticket,
  ]);
});
