import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { AttemptEvent } from '#contracts/attempt-event';
import type { RequestId, TenantId } from '#contracts/ids';
import { NegotiatedRates } from '#domain/negotiated-rate';
import { ENTRY_DIMENSIONS, ENTRY_MEASURES } from '#domain/usage-entry';
import type { Database } from '#postgres/database';
import { loadNegotiatedRates } from '#postgres/negotiated-rates';
import { loadPriceBook } from '#postgres/price-book';
import { seedPriceBook } from '#postgres/price-seed';
import { loadRequestUsage } from '#postgres/request-usage';
import { createRepricings } from '#postgres/repricing';
import { createRollupVerifier } from '#postgres/rollup-verifier';
import { attemptEventOf, EVENT_TIME_MS } from '#test/support/attempt-events';
import { openControlPlane, type Json, type TestControlPlane } from '#test/support/control-plane';
import { openTestLedger, type TestLedger } from '#test/support/ledger';

let control: TestControlPlane;
let opened: TestLedger;
let database: Database;
let tenant: TenantId;
let rates = new NegotiatedRates([]);

const EVENTS = 1_200;
const MODEL = 'house-model';
const DAY_MS = 86_400_000;
const RANGE = { from: '2026-06-01T00:00:00Z', to: '2026-07-01T00:00:00Z' };

const eventOf = (index: number): AttemptEvent =>
  attemptEventOf({
    tenantId: tenant,
    startedAtMs: EVENT_TIME_MS + (index % 5) * DAY_MS,
    ...(index % 3 === 0 ? { model: MODEL, servedModel: null } : {}),
    usage: { source: index % 7 === 0 ? 'estimated' : 'provider', tokens: { input: 100 + index, output: 10 } },
  });

beforeAll(async () => {
  opened = await openTestLedger({ rates: () => rates });
  database = opened.database;
  control = await openControlPlane({ databaseUrl: opened.url });
  tenant = String((await control.call('POST', '/tenants', { name: 'acme' })).json['id']) as TenantId;
  const events = Array.from({ length: EVENTS }, (_, index) => eventOf(index));
  await opened.ledger.recordEvents(events.slice(0, EVENTS / 2).map(opened.priced));
  await opened.ledger.recordEvents(events.slice(EVENTS / 2).map(opened.priced));
});

afterAll(async () => {
  await control.close();
  await opened.close();
});

const reprice = async (body: Json): Promise<Json> => {
  const asked = await control.call('POST', '/ledger/reprice', { ...RANGE, reason: 'a test', ...body });
  expect(asked.status, asked.text).toBe(202);
  const repricings = createRepricings(database);
  const terms = { book: await loadPriceBook(database), rates };
  while (await repricings.step(terms)) continue;
  return (await control.call('GET', `/ledger/reprice/${String(asked.json['id'])}`)).json;
};

/** The whole ledger as one text, as it was at that instant. */
const reportAt = async (asOf: string): Promise<string> => {
  const report = await database.pool.query(
    `select ${ENTRY_DIMENSIONS.join(', ')}, ${ENTRY_MEASURES.map((measure) => `sum(${measure}) as ${measure}`).join(', ')}
     from usage_entry where recorded_at <= $1::timestamptz
     group by ${ENTRY_DIMENSIONS.join(', ')} order by ${ENTRY_DIMENSIONS.join(', ')}`,
    [asOf],
  );
  return JSON.stringify(report.rows);
};
const clock = async (): Promise<string> =>
  (await database.pool.query<{ at: string }>('select ledger_clock()::text as at')).rows[0]?.at ?? '';
const sumOf = async (measure: string, table: string): Promise<number> =>
  Number((await database.pool.query<{ sum: string }>(`select sum(${measure}) from ${table}`)).rows[0]?.sum);

const verify = async () =>
  createRollupVerifier(database).verifyRange({
    from: new Date(RANGE.from),
    to: new Date(RANGE.to),
    repair: false,
  });

describe('re-pricing', () => {
  it('prices what was unpriced once there is a price, without touching what was recorded', async () => {
    const before = await clock();
    const report = await reportAt(before);
    const unpriced = await control.call('GET', '/prices/unpriced');
    expect(unpriced.json['data']).toMatchObject([
      {
        provider: 'openai',
        model: MODEL,
        tier: 'standard',
        attempts: 400,
        reason: expect.stringContaining(MODEL),
      },
    ]);
    const price = (component: string, ratePicoUsd: bigint) => ({
      provider: 'openai',
      model: MODEL,
      component,
      tier: 'standard',
      region: '',
      ratePicoUsd,
      inputTotalMin: 0n,
      inputTotalMax: null,
      quantityFrom: 0n,
      quantityTo: null,
      dayMinutes: null,
      effectiveFromMs: 0,
      effectiveToMs: null,
      reference: null,
    });
    const prices = [price('input', 1_000n), price('output', 5_000n)] as never;
    await seedPriceBook(database, { name: 'house', version: '1', hash: '1', prices });

    expect(await reprice({ only: 'unpriced' })).toMatchObject({
      status: 'completed',
      examined: EVENTS,
      changed: 400,
    });
    expect((await control.call('GET', '/prices/unpriced')).json['data']).toEqual([]);
    expect(await sumOf('cost_pico_usd', `usage_hour where model = '${MODEL}'`)).toBe(
      Array.from({ length: EVENTS }, (_, index) => index)
        .filter((index) => index % 3 === 0)
        .reduce((sum, index) => sum + (100 + index) * 1_000 + 10 * 5_000, 0),
    );
    expect(await sumOf('attempts', 'usage_hour')).toBe(EVENTS);
    expect(await reportAt(before)).toBe(report);
    expect(await verify()).toMatchObject({ mismatches: [], unequalDays: [] });
  });

  it('changes nothing when it is done again', async () => {
    const before = await reportAt(await clock());
    expect(await reprice({})).toMatchObject({ examined: EVENTS, changed: 0 });
    expect(await reportAt(await clock())).toBe(before);
  });

  it('reverses each charge that another replaces, dated and with its reason', async () => {
    const agreed = await control.call('POST', `/tenants/${tenant}/rates`, {
      provider: 'openai',
      model: 'gpt-4o-mini',
      kind: 'discount',
      value: '20',
      effective_from: '2026-06-16T00:00:00Z',
    });
    rates = await loadNegotiatedRates(database);
    const before = await clock();
    const report = await reportAt(before);
    const listed = await sumOf('list_cost_pico_usd', 'usage_entry');
    const result = await reprice({ model: 'gpt-4o-mini', reason: 'the contract of June' });
    expect(result).toMatchObject({ examined: 800, changed: 640 });
    const charges = await database.pool.query<Json>(
      `select component, count(*)::int as charges, sum(quantity)::int as quantity,
              count(*) filter (where reverses is not null)::int as reversals, count(rate_id)::int as ruled
       from usage_charge join usage_adjustment using (attempt_id, revision)
       where usage_adjustment.reason = 'the contract of June' and component = 'output' group by component`,
    );
    // One at list price, its reversal, and one by the rule, for each of 640 attempts of 10 tokens.
    expect(charges.rows).toEqual([
      { component: 'output', charges: 1_920, quantity: 6_400, reversals: 640, ruled: 640 },
    ]);
    const [attempt] = await database.pool
      .query<{ id: RequestId }>(
        `select request_id as id from usage_adjustment where reason = 'the contract of June' order by attempt_id limit 1`,
      )
      .then(({ rows }) => loadRequestUsage(database, rows[0]?.id ?? ('' as RequestId), tenant));
    const rule = { id: agreed.json['id'], kind: 'discount', value: 20_000_000n };
    expect(attempt?.charges).toMatchObject([
      { component: 'input', reverses: null, rule: null, ratePicoUsd: 150_000n },
      { component: 'output', reverses: null, rule: null, ratePicoUsd: 600_000n },
      { component: 'input', reverses: 1, rule: null, ratePicoUsd: 150_000n },
      { component: 'output', reverses: 2, rule: null, quantity: -10n },
      { component: 'input', reverses: null, rule, ratePicoUsd: 120_000n, listRatePicoUsd: 150_000n },
      { component: 'output', reverses: null, rule, ratePicoUsd: 480_000n, price: { tier: 'standard' } },
    ]);
    const charged = attempt?.charges.reduce((sum, charge) => sum + charge.amountPicoUsd, 0n);
    expect(attempt).toMatchObject({
      costPicoUsd: charged,
      adjustments: [{ reason: 'the contract of June' }],
    });
    expect(await sumOf('list_cost_pico_usd', 'usage_hour')).toBe(listed);
    expect(await sumOf('amount_pico_usd', 'usage_charge')).toBe(await sumOf('cost_pico_usd', 'usage_entry'));
    expect(await reportAt(before)).toBe(report);
    expect(await verify()).toMatchObject({ mismatches: [], unequalDays: [] });
  });

  it('goes on where it was broken off', async () => {
    const known = await database.pool.query<{ id: string }>('select id from negotiated_rate');
    await control.call('DELETE', `/tenants/${tenant}/rates/${known.rows[0]?.id ?? ''}`);
    rates = new NegotiatedRates([]);
    await control.call('POST', '/ledger/reprice', { ...RANGE, model: 'gpt-4o-mini', reason: 'in two goes' });
    const terms = { book: await loadPriceBook(database), rates };
    await createRepricings(database).step(terms);
    const half = await sumOf('changed', `repricing where reason = 'in two goes'`);
    expect(half).toBeGreaterThan(0);
    expect(half).toBeLessThan(640);
    // What had been begun and not committed is gone, as if the process had been killed.
    const failing = {
      ...terms,
      rates: new Proxy(rates, {
        get: () => {
          throw new Error('killed');
        },
      }),
    };
    await expect(createRepricings(database).step(failing)).rejects.toThrow('killed');
    const another = createRepricings(database);
    while (await another.step(terms)) continue;
    expect(await sumOf('changed', `repricing where reason = 'in two goes'`)).toBe(640);
    expect(await sumOf('cost_pico_usd', 'usage_hour')).toBe(await sumOf('list_cost_pico_usd', 'usage_hour'));
    expect(await verify()).toMatchObject({ mismatches: [], unequalDays: [] });
  });
});

describe('the sums of the ledger', () => {
  it('are found to be wrong where they are, and are mended from the events', async () => {
    await database.pool.query(
      `update usage_hour set cost_pico_usd = cost_pico_usd + 1 where hour = '2026-06-15T12:00:00Z'`,
    );
    const asked = { from: '2026-06-15T00:00:00Z', to: '2026-06-16T00:00:00Z' };
    const found = await control.call('POST', '/ledger/verify', asked);
    expect(found.json).toMatchObject({
      hours: 24,
      equal: false,
      repaired: false,
      unequal_days: ['2026-06-15'],
    });
    const [mismatch] = found.json['mismatches'] as { differences: Record<string, [string, string]> }[];
    const [wrong, right] = mismatch?.differences['cost_pico_usd'] ?? ['', ''];
    expect(BigInt(wrong) - BigInt(right)).toBe(1n);
    const repaired = await control.call('POST', '/ledger/verify', { ...asked, repair: true });
    expect(repaired.json).toMatchObject({ repaired: true });
    expect((await control.call('POST', '/ledger/verify', asked)).json).toMatchObject({ equal: true });
    expect(await verify()).toMatchObject({ mismatches: [], unequalDays: [] });
  });

  it('are compared for the hours that were added to since the last time', async () => {
    const verifier = createRollupVerifier(database);
    expect((await verifier.verifyChanged()).hours).toBe(5);
    await opened.ledger.recordEvents([opened.priced(eventOf(1))]);
    await database.pool.query(
      `update usage_hour set attempts = attempts + 1 where hour = '2026-06-16T12:00:00Z' and model = 'gpt-4o-mini'`,
    );
    const { hours, mismatches } = await verifier.verifyChanged();
    expect({ hours, wrong: mismatches.length > 0 }).toEqual({ hours: 1, wrong: true });
    expect(await verifier.verifyChanged()).toEqual({ hours: 0, mismatches: [] });
  });
});
