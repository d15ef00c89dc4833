/** What a budget's decision costs a request: the bench of the ledger prints it. */
import { LeasingBudgetGate } from '#domain/leasing-budget-gate';
import type { BudgetLeases } from '#domain/budget-gate';
import { budgetWindowAt } from '#domain/budget-window';
import type { PriceBook } from '#domain/price-book';
import { createBudgetLeases } from '#postgres/budget-leases';
import { createBudgetStore } from '#postgres/budgets';
import type { Database } from '#postgres/database';
import { createSystemMint, systemClock } from '#runtime/system';

const DECISIONS = 10_000;
const LIMIT_PICO_USD = 1_000_000_000_000_000n;
const MINUTE_MS = 60_000;

export type DecisionFigures = { decisions: number; roundTrips: number; meanMs: number; p99Ms: number };

/** Counts what is asked of the store. */
const countedLeases = (leases: BudgetLeases): { leases: BudgetLeases; roundTrips: () => number } => {
  let roundTrips = 0;
  return {
    leases: {
      loadBudgets: (tenantId) => {
        roundTrips += 1;
        return leases.loadBudgets(tenantId);
      },
      lease: (owner, asks) => {
        roundTrips += 1;
        return leases.lease(owner, asks);
      },
      giveBack: (returns) => leases.giveBack(returns),
    },
    roundTrips: () => roundTrips,
  };
};

/** Holds and gives back for one request after another, under a budget of the whole tenant and one of its team. */
export const measureDecisions = async (database: Database, book: PriceBook): Promise<DecisionFigures> => {
  const mint = createSystemMint();
  const tenantId = mint.mint('ten');
  await database.pool.query('insert into tenant (id, name) values ($1, $1)', [tenantId]);
  const calendar = { period: 'month', timeZone: 'UTC' } as const;
  for (const scope of [{}, { team: 'search' }]) {
    await createBudgetStore(database).insert(
      {
        ...calendar,
        id: mint.mint('bud'),
        tenantId,
        scope,
        limitPicoUsd: LIMIT_PICO_USD,
        mode: 'enforce',
        alerts: [],
        onUnpriced: 'refuse',
        assumedOutputTokens: 4_096,
        webhookEndpointId: null,
      },
      budgetWindowAt(calendar, systemClock.nowMs()),
    );
  }
  const { leases, roundTrips } = countedLeases(createBudgetLeases(database));
  const gate = new LeasingBudgetGate({
    leases,
    pricesOf: (_, { provider, model }) => ({
      listed: book.ratesOf(provider, model, systemClock.nowMs()),
      agreed: [],
    }),
    configurationChanges: { announce: () => undefined, subscribe: () => undefined },
    clock: systemClock,
    mint,
    logger: { info: () => undefined, warn: () => undefined, error: () => undefined },
    owner: 'bench',
  });
  const providerKeyIds = [mint.mint('pkey')];
  const apiKeyId = mint.mint('akey');
  const times: number[] = [];
  for (let decision = 0; decision < DECISIONS; decision += 1) {
    const nowMs = systemClock.nowMs();
    const startedMs = performance.now();
    const hold = await gate.hold({
      tenantId,
      apiKeyId,
      attribution: { team: 'search' },
      operation: 'chat',
      plan: {
        steps: [{ provider: 'openai', model: 'gpt-4o-mini', providerKeyIds }],
        maxAttempts: 3,
        attemptTimeoutMs: null,
      },
      inputTokens: 300,
      maxOutputTokens: 750,
      answers: 1,
      admittedAtMs: nowMs,
      deadlineAtMs: nowMs + MINUTE_MS,
    });
    times.push(performance.now() - startedMs);
    hold.end(0);
  }
  await gate.close();
  const mean = times.reduce((sum, time) => sum + time, 0) / times.length;
  times.sort((a, b) => a - b);
  const p99Ms = times[Math.ceil(0.99 * times.length) - 1] ?? 0;
  return { decisions: DECISIONS, roundTrips: roundTrips(), meanMs: mean, p99Ms };
};
