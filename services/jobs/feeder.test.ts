import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import type { DispatchHeader } from '#contracts/dispatch';
import type { BudgetHold } from '#domain/budget-gate';
import type { AdmittedItem } from '#postgres/work-backlog';
import { seededMint } from '#test/support/attempt-events';
import { quietFleet } from '#test/support/quiet-fleet';
import { CHAT_OPTIONS } from '#test/support/work-options';
import { Feeder } from './feeder.ts';

beforeEach(() => void vi.useFakeTimers({ toFake: ['performance', 'Date'], now: 1_000_000 }));
afterEach(() => void vi.useRealTimers());

const mint = seededMint(11, 1_000);
const providerKeyId = mint.mint('pkey');
const item: AdmittedItem = {
  id: mint.mint('job'),
  tenantId: mint.mint('ten'),
  apiKeyId: mint.mint('akey'),
  lane: 'batch',
  surface: 'openai-chat',
  requestedModel: 'openai/gpt-4o-mini',
  attempts: 0,
  uncalled: 0,
  rounds: 0,
  estimatedInputTokens: 10,
  estimatedOutputTokens: 10,
  createdAtMs: 1_000_000,
  deadlineAtMs: 90_000_000,
  options: CHAT_OPTIONS,
};

/** A feeder with one line that waits, and what it did. */
const feed = () => {
  let rounds = 0;
  const given: DispatchHeader[] = [];
  const ended: { hold: string; calls: number }[] = [];
  let holds = 0;
  const hold = (): BudgetHold => {
    holds += 1;
    const name = `lease ${holds}`;
    return {
      holds: [{ budgetId: mint.mint('bud'), leaseId: name, amountPicoUsd: '7' }],
      end: (calls) => ended.push({ hold: name, calls }),
    };
  };
  const { tenantId, requestedModel } = item;
  const feeder = new Feeder({
    backlog: {
      flows: async (lane) =>
        lane === 'batch' ? [{ lane, tenantId, requestedModel, team: '', feature: '' }] : [],
      waiting: async () => [{ id: item.id, rounds, estimatedTokens: 20 }],
      load: async () => [{ ...item, rounds, attempts: rounds }],
      standing: async () => new Map([[item.id, { state: 'queued', attempts: rounds, uncalled: 0, rounds }]]),
    },
    directory: {
      loadRouting: async () => ({
        providerKeys: [
          { id: providerKeyId, provider: 'openai', models: null, weight: 1, account: null, limits: {} },
        ],
        routes: new Map(),
        weight: 1,
        shares: { teams: {}, features: {} },
      }),
    },
    depths: { of: async () => ({ waiting: 0, taken: 0 }) },
    queue: {
      publish: () => Promise.reject(new Error('a line carries no body')),
      publishTogether: async (header) => void given.push(header),
    },
    budgets: { hold: async () => hold() },
    limiter: {
      reserve: async () => ({
        id: 'room',
        bucket: 'bucket',
        step: 0,
        keyIndex: 0,
        providerKeyId,
        inputTokens: 10,
        outputTokens: 10,
      }),
      release: () => undefined,
      settle: () => undefined,
    },
    isListed: () => true,
    ratesOf: () => [],
    fleet: quietFleet,
    clock: { nowMs: Date.now },
    random: () => 0.5,
    logger: { info: () => undefined, warn: () => undefined, error: () => undefined },
  });
  const give = async (): Promise<void> => {
    const before = given.length;
    await feeder.turn();
    await vi.waitFor(() => expect(given.length).toBe(before + 1), { timeout: 5_000 });
    await vi.waitFor(() => expect(feeder.isAsking).toBe(false), { timeout: 5_000 });
  };
  const loseByQueue = async (afterMs: number): Promise<void> => {
    vi.setSystemTime(Date.now() + afterMs);
    vi.advanceTimersByTime(afterMs);
    await feeder.review();
  };
  const leases = (): string[] => given.map(({ holds: [first] }) => first?.leaseId ?? '');
  return { feeder, give, loseByQueue, leases, ended, comeBack: () => void (rounds += 1) };
};

it('holds once for work that the queue has lost and that is given again', async () => {
  const { give, loseByQueue, leases, ended } = feed();
  await give();
  await loseByQueue(21_000);
  await give();
  expect(leases()).toEqual(['lease 1', 'lease 1']);
  expect(ended).toEqual([]);
});

it('holds anew once what was held has had its time, and gives that back', async () => {
  const { give, loseByQueue, leases, ended } = feed();
  await give();
  await loseByQueue(16 * 60_000);
  await give();
  expect(leases()).toEqual(['lease 1', 'lease 2']);
  expect(ended).toEqual([{ hold: 'lease 1', calls: 0 }]);
});

it('gives back what a round held that comes back, but for the calls it made', async () => {
  const { feeder, give, leases, ended, comeBack } = feed();
  await give();
  comeBack();
  await feeder.review();
  await give();
  expect(leases()).toEqual(['lease 1', 'lease 2']);
  expect(ended).toEqual([{ hold: 'lease 1', calls: 1 }]);
});
