/** Long because every case needs the same ledger, gate and standings; they take a third of it. */
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import type { BudgetBody } from '#contracts/budget';
import { budgetBody } from '#contracts/budget';
import type { AttemptHold } from '#contracts/budget';
import type { AttemptEvent } from '#contracts/attempt-event';
import type { BudgetId, TenantId } from '#contracts/ids';
import type { BudgetedRequest } from '#domain/budget-claim';
import type { BudgetLeases } from '#domain/budget-gate';
import { LeasingBudgetGate } from '#domain/leasing-budget-gate';
import { budgetWindowAt } from '#domain/budget-window';
import { FloError } from '#domain/errors';
import { decodeUsd } from '#domain/money';
import { NegotiatedRates, type NegotiatedRate } from '#domain/negotiated-rate';
import { createBudgetLeases, expireLeases } from '#postgres/budget-leases';
import { createBudgetStore } from '#postgres/budgets';
import { createSystemMint } from '#runtime/system';
import { attemptEventOf, seededRandom } from '#test/support/attempt-events';
import { openTestLedger, type TestLedger } from '#test/support/ledger';

let opened: TestLedger;
const mint = createSystemMint();
const gates: LeasingBudgetGate[] = [];
/** What tenants have agreed with providers. */
let rates = new NegotiatedRates([]);

beforeAll(async () => {
  opened = await openTestLedger();
});
afterAll(async () => {
  await opened.close();
});

const MODEL = { provider: 'openai', model: 'gpt-4o-mini' } as const;
const MINUTE_MS = 60_000;
const DAY_MS = 24 * 60 * MINUTE_MS;

const createTenant = async (): Promise<TenantId> => {
  const id = mint.mint('ten');
  await opened.database.pool.query('insert into tenant (id, name) values ($1, $1)', [id]);
  return id;
};

const createBudget = async (
  tenantId: TenantId,
  body: Partial<BudgetBody> & { limit: string },
): Promise<BudgetId> => {
  const parsed = budgetBody.parse({ period: 'month', ...body });
  const calendar = { period: parsed.period, timeZone: parsed.time_zone };
  const created = await createBudgetStore(opened.database).insert(
    {
      ...calendar,
      id: mint.mint('bud'),
      tenantId,
      scope: parsed.scope,
      limitPicoUsd: decodeUsd(parsed.limit),
      mode: parsed.mode,
      alerts: parsed.alerts,
      onUnpriced: parsed.on_unpriced,
      assumedOutputTokens: parsed.assumed_output_tokens,
      webhookEndpointId: null,
    },
    budgetWindowAt(calendar, Date.now()),
  );
  return created.id;
};

/** A process's gate; `nowMs` lets a test move its clock. */
const openGate = (
  owner: string,
  clock = { nowMs: Date.now },
  leases: BudgetLeases = createBudgetLeases(opened.database),
): LeasingBudgetGate => {
  const gate = new LeasingBudgetGate({
    leases,
    pricesOf: (tenantId, { provider, model }) => ({
      listed: opened.book.ratesOf(provider, model, Date.now()),
      agreed: rates.aimedAt({ tenantId, provider, model, atMs: Date.now() }),
    }),
    configurationChanges: { announce: () => undefined, subscribe: () => undefined },
    clock,
    mint,
    logger: { info: () => undefined, warn: () => undefined, error: () => undefined },
    owner,
  });
  gates.push(gate);
  return gate;
};

const API_KEY = mint.mint('akey');

const requestOf = (tenantId: TenantId, changes: Partial<BudgetedRequest> = {}): BudgetedRequest => ({
  tenantId,
  apiKeyId: API_KEY,
  attribution: {},
  operation: 'chat',
  plan: {
    steps: [{ ...MODEL, providerKeyIds: [mint.mint('pkey')] }],
    maxAttempts: 3,
    attemptTimeoutMs: null,
  },
  // 0.000825 USD at the most: 300 × 0.25 and 750 × 1.0 for a million, which the priority tier costs.
  inputTokens: 300,
  maxOutputTokens: 750,
  answers: 1,
  admittedAtMs: Date.now(),
  deadlineAtMs: Date.now() + MINUTE_MS,
  ...changes,
});

const eventOf = (tenantId: TenantId, holds: AttemptHold[], changes: Partial<AttemptEvent> = {}) =>
  attemptEventOf(
    {
      tenantId,
      apiKeyId: API_KEY,
      ...MODEL,
      servedModel: null,
      startedAtMs: Date.now(),
      queueMs: 0,
      holds,
      ...changes,
    },
    mint,
  );

const record = (...events: AttemptEvent[]) => opened.ledger.recordEvents(events.map(opened.priced));

type Standing = { spent: bigint; uncertain: bigint; leased: bigint };

const standingOf = async (budgetId: BudgetId): Promise<Standing> => {
  const { rows } = await opened.database.pool.query<Record<keyof Standing, string>>(
    `select coalesce(sum(spent_pico_usd), 0) as spent, coalesce(sum(uncertain_pico_usd), 0) as uncertain,
            coalesce(sum(leased_pico_usd), 0) as leased
     from budget_window where budget_id = $1`,
    [budgetId],
  );
  const [row] = rows;
  if (row === undefined) throw new Error('an aggregate has one row');
  return { spent: BigInt(row.spent), uncertain: BigInt(row.uncertain), leased: BigInt(row.leased) };
};

const openOf = async (budgetId: BudgetId): Promise<bigint> => {
  const { rows } = await opened.database.pool.query<{ open: string }>(
    'select coalesce(sum(open_pico_usd), 0) as open from budget_lease where budget_id = $1',
    [budgetId],
  );
  return BigInt(rows[0]?.open ?? 0);
};

const ledgerCost = async (tenantId: TenantId): Promise<bigint> => {
  const { rows } = await opened.database.pool.query<{ cost: string }>(
    'select coalesce(sum(cost_pico_usd), 0) as cost from usage_entry where tenant_id = $1',
    [tenantId],
  );
  return BigInt(rows[0]?.cost ?? 0);
};

const refusalOf = async (promise: Promise<unknown>): Promise<FloError> => {
  const error: unknown = await promise.then(
    () => null,
    (reason: unknown) => reason,
  );
  if (!(error instanceof FloError)) throw new Error('it was not refused');
  return error;
};

describe('a budget', () => {
  it('is not overshot by 1,000 requests at once at three processes, and holds nothing when they are done', async () => {
    const tenantId = await createTenant();
    const limit = '0.2';
    const wide = await createBudget(tenantId, { limit });
    // Under several at once, some of which cover only a part.
    const narrow = await createBudget(tenantId, { limit: '0.05', scope: { team: 'search' } });
    const processes = ['one', 'two', 'three'].map((owner) => openGate(owner));
    const random = seededRandom(5);
    const refused: FloError[] = [];
    let accepted = 0;

    const serve = async (index: number): Promise<void> => {
      const gate = processes[index % processes.length];
      if (gate === undefined) throw new Error('there are three');
      const team = random() < 0.5 ? { team: 'search' } : {};
      const hold = await gate.hold(requestOf(tenantId, { attribution: team })).catch((error: unknown) => {
        if (!(error instanceof FloError)) throw error;
        refused.push(error);
        return null;
      });
      if (hold === null) return;
      accepted += 1;
      // Up to three attempts, each of which leaves an event in its own time.
      const calls = 1 + Math.floor(random() * 3);
      const events = Array.from({ length: calls }, (_, attempt) =>
        eventOf(tenantId, hold.holds, {
          attemptNumber: attempt + 1,
          attribution: { ...team, tags: {} },
          usage: {
            source: 'provider',
            tokens: { input: 300, output: Math.floor(random() * 751) },
          },
        }),
      );
      hold.end(calls);
      await record(...events);
    };
    await Promise.all(Array.from({ length: 1_000 }, (_, index) => serve(index)));

    expect(accepted).toBeGreaterThan(100);
    expect(refused.length).toBeGreaterThan(100);
    expect(new Set(refused.map(({ code }) => code))).toEqual(new Set(['budget_exceeded']));
    const standing = await standingOf(wide);
    expect(standing.spent).toBe(await ledgerCost(tenantId));
    expect(standing.spent).toBeLessThanOrEqual(decodeUsd(limit));
    expect((await standingOf(narrow)).spent).toBeLessThanOrEqual(decodeUsd('0.05'));

    for (const gate of processes) await gate.close();
    for (const budgetId of [wide, narrow]) {
      expect((await standingOf(budgetId)).leased).toBe(0n);
      expect(await openOf(budgetId)).toBe(0n);
    }
  });

  it('lets nearly all of itself be spent, one hold at a time', async () => {
    const tenantId = await createTenant();
    const budgetId = await createBudget(tenantId, { limit: '0.01' });
    const gate = openGate('alone');
    const serve = async (): Promise<void> => {
      const hold = await gate.hold(requestOf(tenantId));
      hold.end(1);
      await record(
        eventOf(tenantId, hold.holds, { usage: { source: 'provider', tokens: { input: 300, output: 750 } } }),
      );
      return serve();
    };
    const refusal = await refusalOf(serve());
    expect(refusal.code).toBe('budget_exceeded');
    expect(refusal.message).toContain(budgetId);
    expect(refusal.message).toMatch(/resets at \d{4}-\d\d-01T00:00:00\.000Z/);
    const { spent } = await standingOf(budgetId);
    // What is left is less than the three attempts of one more request might cost.
    expect(spent).toBeLessThanOrEqual(decodeUsd('0.01'));
    expect(spent).toBeGreaterThan(decodeUsd('0.01') - 3n * decodeUsd('0.000825'));
  });

  it('gives an attempt back only with its event, and what was never tried at once', async () => {
    const tenantId = await createTenant();
    // Room for exactly one request of three attempts.
    const budgetId = await createBudget(tenantId, { limit: '0.002475' });
    const gate = openGate('alone');
    const hold = await gate.hold(requestOf(tenantId));
    const refusal = await refusalOf(gate.hold(requestOf(tenantId)));
    expect(refusal).toMatchObject({ code: 'budget_exceeded', retryAfterMs: 1_000 });
    expect(refusal.message).toContain('held by requests under way');

    hold.end(1);
    hold.end(1);
    const single = { plan: { ...requestOf(tenantId).plan, maxAttempts: 1 } };
    const second = await gate.hold(requestOf(tenantId, single));
    const third = await gate.hold(requestOf(tenantId, single));
    await refusalOf(gate.hold(requestOf(tenantId, single)));
    second.end(0);
    third.end(0);

    await gate.close();
    expect(await openOf(budgetId)).toBe(decodeUsd('0.000825'));
    await record(
      eventOf(tenantId, hold.holds, { usage: { source: 'provider', tokens: { input: 300, output: 0 } } }),
    );
    expect(await standingOf(budgetId)).toEqual({ spent: decodeUsd('0.000045'), uncertain: 0n, leased: 0n });
  });

  it('counts an outcome that is not known at its worst case until it is known, whatever comes first', async () => {
    const tenantId = await createTenant();
    const budgetId = await createBudget(tenantId, { limit: '1' });
    const gate = openGate('alone');
    const worst = decodeUsd('0.000825');
    const lost = async () => {
      const hold = await gate.hold(requestOf(tenantId));
      hold.end(1);
      const report = eventOf(tenantId, hold.holds, {
        usage: { source: 'provider', tokens: { input: 100, output: 100 } },
      });
      const presumption: AttemptEvent = {
        ...report,
        revision: 0,
        outcome: 'outcome_unknown',
        errorCode: 'outcome_unknown',
        upstreamStatus: null,
        usage: { source: 'none', tokens: {} },
      };
      return { report, presumption };
    };
    const cost = decodeUsd('0.000075');

    const one = await lost();
    await record(one.presumption);
    await gate.close();
    expect(await standingOf(budgetId)).toEqual({ spent: 0n, uncertain: worst, leased: 0n });
    await record(one.presumption, one.report);
    await record(one.report);
    expect(await standingOf(budgetId)).toEqual({ spent: cost, uncertain: 0n, leased: 0n });

    const two = await lost();
    await record(two.report);
    await record(two.presumption);
    const three = await lost();
    await record(three.presumption, three.report);
    await gate.close();
    expect(await standingOf(budgetId)).toEqual({ spent: 3n * cost, uncertain: 0n, leased: 0n });
  });

  it('holds of a fallback plan what its dearest covered target may cost, and counts where the call went', async () => {
    const tenantId = await createTenant();
    const openai = await createBudget(tenantId, { limit: '1', scope: { provider: 'openai' } });
    const haiku = await createBudget(tenantId, { limit: '1', scope: { model: 'claude-haiku-*' } });
    const gate = openGate('alone');
    const steps = [
      { ...MODEL, providerKeyIds: [mint.mint('pkey')] },
      { provider: 'anthropic' as const, model: 'claude-haiku-4-5', providerKeyIds: [mint.mint('pkey')] },
    ];
    const plan = { steps, maxAttempts: 2, attemptTimeoutMs: null };
    const hold = await gate.hold(requestOf(tenantId, { plan }));
    const amounts = new Map(hold.holds.map((each) => [each.budgetId, BigInt(each.amountPicoUsd)]));
    expect(amounts.get(openai)).toBe(decodeUsd('0.000825'));
    // 300 at 2.00, which is a cache written for an hour, and 750 at 5.00.
    expect(amounts.get(haiku)).toBe(decodeUsd('0.00435'));

    hold.end(2);
    const usage = { source: 'provider' as const, tokens: { input: 300, output: 10 } };
    const failed = { outcome: 'failed' as const, errorCode: 'server', upstreamStatus: 500 };
    await record(
      eventOf(tenantId, hold.holds, { ...failed, usage: { source: 'none', tokens: {} } }),
      eventOf(tenantId, hold.holds, { provider: 'anthropic', model: 'claude-haiku-4-5', usage }),
    );
    await gate.close();
    expect(await standingOf(openai)).toEqual({ spent: 0n, uncertain: 0n, leased: 0n });
    expect(await standingOf(haiku)).toEqual({ spent: decodeUsd('0.00035'), uncertain: 0n, leased: 0n });
  });

  it('takes a model without a price as the tenant has chosen', async () => {
    const unknown = {
      plan: {
        steps: [{ provider: 'openai' as const, model: 'house-model', providerKeyIds: [mint.mint('pkey')] }],
        maxAttempts: 1,
        attemptTimeoutMs: null,
      },
    };
    const lenient = await createTenant();
    await createBudget(lenient, { limit: '1' });
    expect((await openGate('one').hold(requestOf(lenient, unknown))).holds).toEqual([]);
    const strict = await createTenant();
    const budgetId = await createBudget(strict, { limit: '1', on_unpriced: 'refuse' });
    const refusal = await refusalOf(openGate('two').hold(requestOf(strict, unknown)));
    expect(refusal).toMatchObject({ code: 'model_unpriced', status: 403 });
    expect(refusal.message).toContain(budgetId);
  });

  it('holds by what the tenant has agreed where nobody lists a price, and where it is above the list', async () => {
    const tenantId = await createTenant();
    await createBudget(tenantId, { limit: '1', on_unpriced: 'refuse' });
    const rateOf = (changes: Partial<NegotiatedRate>): NegotiatedRate => ({
      id: mint.mint('rate'),
      tenantId,
      provider: 'openai',
      model: 'house-*',
      component: null,
      providerKeyId: null,
      kind: 'absolute',
      value: 2_000_000n,
      volumeTiers: [],
      volumePeriod: null,
      effectiveFromMs: 0,
      effectiveToMs: null,
      ...changes,
    });
    rates = new NegotiatedRates([
      rateOf({}),
      rateOf({ model: MODEL.model, component: 'output', value: 3_000_000n }),
      rateOf({ model: MODEL.model, kind: 'discount', value: 50_000_000n }),
      rateOf({ model: MODEL.model, value: 9_000_000n, effectiveToMs: Date.now() - 1 }),
    ]);
    const heldFor = async (model: string) => {
      const plan = {
        steps: [{ provider: 'openai' as const, model, providerKeyIds: [mint.mint('pkey')] }],
        maxAttempts: 1,
        attemptTimeoutMs: null,
      };
      const { holds } = await openGate('agreed').hold(requestOf(tenantId, { plan }));
      return holds.map(({ amountPicoUsd }) => amountPicoUsd);
    };
    expect(await heldFor('house-model')).toEqual([String(1_050n * 2_000_000n)]);
    expect(await heldFor(MODEL.model)).toEqual([String(300n * 250_000n + 750n * 3_000_000n)]);
  });

  it('begins with what its window has cost already, and only warns where that was asked for', async () => {
    const tenantId = await createTenant();
    await record(eventOf(tenantId, []), eventOf(tenantId, [], { attribution: { team: 'search', tags: {} } }));
    const warned = await createBudget(tenantId, { limit: '0.0001', mode: 'warn', alerts: [50, 100] });
    const search = await createBudget(tenantId, { limit: '1', scope: { team: 'search', model: 'gpt-*' } });
    expect((await standingOf(warned)).spent).toBe(await ledgerCost(tenantId));
    expect((await standingOf(search)).spent).toBe(decodeUsd('0.00021'));
    const hold = await openGate('alone').hold(requestOf(tenantId));
    expect(hold.holds).toEqual([]);
  });

  it('gets back what a dead process held, and not before its time', async () => {
    const tenantId = await createTenant();
    const budgetId = await createBudget(tenantId, { limit: '1' });
    const dead = openGate('a process that dies');
    const first = await dead.hold(requestOf(tenantId));
    await dead.hold(requestOf(tenantId));
    // One call was made and recorded; what else there was is lost with the process.
    await record(eventOf(tenantId, first.holds));
    const leased = (await standingOf(budgetId)).leased;
    expect(leased).toBeGreaterThan(5n * decodeUsd('0.000825'));

    const deadline = Date.now() + MINUTE_MS;
    const mine = async (upTo: number) =>
      (await expireLeases(opened.database, upTo)).filter(({ owner }) => owner === 'a process that dies');
    expect(await mine(deadline - 1)).toEqual([]);
    expect(await mine(deadline + MINUTE_MS)).toMatchObject([{ picoUsd: leased }]);
    expect(await mine(deadline + MINUTE_MS)).toEqual([]);
    expect(await standingOf(budgetId)).toEqual({ spent: decodeUsd('0.00021'), uncertain: 0n, leased: 0n });
    const { rows } = await opened.database.pool.query(
      'select owner, expired_reason from budget_lease where budget_id = $1',
      [budgetId],
    );
    expect(rows).toEqual([
      { owner: 'a process that dies', expired_reason: expect.stringContaining('silent') },
    ]);
    // An event that comes after all counts, and takes nothing from others.
    await record(eventOf(tenantId, first.holds));
    expect(await standingOf(budgetId)).toEqual({ spent: decodeUsd('0.00042'), uncertain: 0n, leased: 0n });
  });

  it('is counted in the window that the work was held of, however long it had waited before', async () => {
    const tenantId = await createTenant();
    const budgetId = await createBudget(tenantId, { limit: '1', period: 'day' });
    const hold = await openGate('feeder').hold(requestOf(tenantId));
    hold.end(1);
    // Taken on two days ago, and given to the queue today.
    await record(eventOf(tenantId, hold.holds, { queueMs: 2 * DAY_MS }));
    const { rows } = await opened.database.pool.query<{ window_start: Date }>(
      'select window_start from budget_window where budget_id = $1 and spent_pico_usd > 0',
      [budgetId],
    );
    const today = budgetWindowAt({ period: 'day', timeZone: 'UTC' }, Date.now()).startMs;
    expect(rows.map((row) => row.window_start.getTime())).toEqual([today]);
  });

  it('gets back what a process that goes on has lost track of, some time later', async () => {
    const tenantId = await createTenant();
    const budgetId = await createBudget(tenantId, { limit: '1' });
    let laterMs = 0;
    const clock = { nowMs: () => Date.now() + laterMs };
    const gate = openGate('a process that forgets', clock);
    const work = () => requestOf(tenantId, { deadlineAtMs: clock.nowMs() + MINUTE_MS });
    const forgotten = await gate.hold(work());
    for (; laterMs < 11 * MINUTE_MS; laterMs += MINUTE_MS / 2) {
      const hold = await gate.hold(work());
      hold.end(0);
      await gate.sweep();
    }
    await gate.close();
    const mine = (await expireLeases(opened.database, Date.now() + 11.75 * MINUTE_MS)).filter(
      ({ owner }) => owner === 'a process that forgets',
    );
    expect(mine).toMatchObject([
      { leaseId: forgotten.holds[0]?.leaseId, picoUsd: 3n * decodeUsd('0.000825') },
    ]);
    expect((await standingOf(budgetId)).leased).toBe(0n);
  });

  it('asks the store for a lease now and then, not for each request', async () => {
    const tenantId = await createTenant();
    await createBudget(tenantId, { limit: '1000' });
    const leases = createBudgetLeases(opened.database);
    const lease = vi.fn<BudgetLeases['lease']>(leases.lease);
    const loadBudgets = vi.fn<BudgetLeases['loadBudgets']>(leases.loadBudgets);
    const gate = openGate('busy', undefined, { ...leases, lease, loadBudgets });
    for (let index = 0; index < 1_000; index += 1) {
      const hold = await gate.hold(requestOf(tenantId));
      expect(hold.holds).toHaveLength(1);
      hold.end(0);
    }
    expect(loadBudgets).toHaveBeenCalledTimes(1);
    expect(lease).toHaveBeenCalledTimes(1);
    await gate.close();
  });
});
