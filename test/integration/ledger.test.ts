import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createHash } from 'node:crypto';
import type { AttemptEvent } from '#contracts/attempt-event';
import { TOKEN_CLASSES } from '#contracts/usage';
import type { PricedEvent } from '#domain/ports';
import { priceAttempt } from '#domain/price';
import type { PriceBook } from '#domain/price-book';
import { openDatabase, type Database } from '#postgres/database';
import { createLedger } from '#postgres/ledger';
import { listPrices, loadPriceBook, openPriceBookCache, positionOf } from '#postgres/price-book';
import { seedPriceBook, type PriceSource } from '#postgres/price-seed';
import { queryUsage, type UsageSelection } from '#postgres/usage-query';
import { readGenaiPrices } from '#services/metering/genai-prices';
import { attemptEventOf, EVENT_TIME_MS, seededMint, seededRandom } from '#test/support/attempt-events';
import { createDatabase } from './temporary-database.ts';

let drop: () => Promise<void>;
let database: Database;
let book: PriceBook;

beforeAll(async () => {
  const created = await createDatabase();
  drop = created.drop;
  database = openDatabase({
    url: created.url,
    poolMax: 4,
    applicationName: 'ledger-test',
    onIdleError: () => undefined,
  });
  await seedPriceBook(database, readGenaiPrices(), EVENT_TIME_MS);
  book = await loadPriceBook(database);
});

afterAll(async () => {
  await database.close();
  await drop();
});

let nextSequence = 1n;
const pricedOf = (event: AttemptEvent): PricedEvent => {
  const payload = JSON.stringify(event);
  return {
    event,
    pricing: priceAttempt(event, book),
    streamSequence: nextSequence++,
    payloadHash: createHash('sha256').update(payload).digest('hex'),
    payload,
  };
};

const count = async (statement: string, values: unknown[] = []): Promise<number> => {
  const result = await database.pool.query<{ count: string }>(`select count(*) from ${statement}`, values);
  return Number(result.rows[0]?.count);
};

const everything: UsageSelection = {
  tenantId: null,
  from: '2020-01-01T00:00:00Z',
  to: '2030-01-01T00:00:00Z',
  timeZone: 'UTC',
  granularity: 'total',
  groupBy: [],
  filters: {},
  asOf: '2100-01-01T00:00:00Z',
  offset: 0,
  limit: 10_000,
};

describe('the price book', () => {
  const only = (prices: Partial<PriceSource['prices'][number]>[], version: string): PriceSource => ({
    name: 'a-source',
    version,
    hash: version,
    prices: prices.map((price) => ({
      provider: 'openai',
      model: 'seeded',
      component: 'input',
      tier: 'standard',
      ratePicoUsd: 1n,
      inputTotalMin: 0n,
      inputTotalMax: null,
      effectiveFromMs: 0,
      effectiveToMs: null,
      ...price,
    })),
  });
  const intervals = async () => {
    const result = await database.pool.query<{ interval: string }>(
      `select concat_ws(' ', rate_pico_usd, extract(epoch from effective_from)::bigint,
                        extract(epoch from effective_to)::bigint) as interval
       from price where model = 'seeded' order by effective_from`,
    );
    return result.rows.map((row) => row.interval);
  };

  it('changes nothing when the same prices are seeded again', async () => {
    const rows = await count('price');
    expect(rows).toBe(readGenaiPrices().prices.length);
    const added = await Promise.all(
      [1, 2, 3].map(() => seedPriceBook(database, readGenaiPrices(), EVENT_TIME_MS)),
    );
    expect(added).toEqual([0, 0, 0]);
    expect(await count('price')).toBe(rows);
  });

  it('ends a rate that changed and begins the new one, without touching the past', async () => {
    await seedPriceBook(database, only([{ ratePicoUsd: 5n }], '1'), 1_000_000);
    await seedPriceBook(database, only([{ ratePicoUsd: 4n }], '2'), 2_000_000);
    expect(await intervals()).toEqual(['5 0 2000', '4 2000']);
    const announced = [
      { ratePicoUsd: 4n, effectiveToMs: 9_000_000 },
      { ratePicoUsd: 3n, effectiveFromMs: 9_000_000 },
    ];
    await seedPriceBook(database, only(announced, '3'), 3_000_000);
    expect(await intervals()).toEqual(['5 0 2000', '4 2000 9000', '3 9000']);
    const postponed = [
      { ratePicoUsd: 4n, effectiveToMs: 9_500_000 },
      { ratePicoUsd: 3n, effectiveFromMs: 9_500_000 },
    ];
    await seedPriceBook(database, only(postponed, '4'), 4_000_000);
    expect(await intervals()).toEqual(['5 0 2000', '4 2000 9000', '4 9000 9500', '3 9500']);
    expect(await seedPriceBook(database, only(postponed, '4'), 5_000_000)).toBe(0);
  });

  it("leaves another source's rate alone", async () => {
    const source = { ...only([{ ratePicoUsd: 99n }], '1'), name: 'another-source' };
    expect(await seedPriceBook(database, source, 6_000_000)).toBe(0);
  });

  it('is seen by a cache when it changed', async () => {
    const cache = await openPriceBookCache({ database, onError: () => undefined });
    const query = { provider: 'openai', model: 'fresh', component: 'input', tier: 'standard' } as const;
    const find = () => cache.current().find({ ...query, inputTotal: 0n, atMs: 1 })?.ratePicoUsd;
    expect(find()).toBeUndefined();
    await seedPriceBook(database, only([{ model: 'fresh', ratePicoUsd: 2n }], '5'), 1);
    await cache.refresh();
    expect(find()).toBe(2n);
    await cache.stop();
  });

  it('is listed page by page, each rate once', async () => {
    const all = await listPrices(database, { atMs: EVENT_TIME_MS, provider: 'anthropic', limit: 10_000 });
    const paged: bigint[] = [];
    let page = await listPrices(database, { atMs: EVENT_TIME_MS, provider: 'anthropic', limit: 50 });
    while (page.length > 0) {
      paged.push(...page.map((price) => price.id));
      const last = page.at(-1);
      if (last === undefined) break;
      const after = positionOf(last);
      page = await listPrices(database, { atMs: EVENT_TIME_MS, provider: 'anthropic', after, limit: 50 });
    }
    expect(paged).toEqual(all.map((price) => price.id));
    expect(new Set(all.map((price) => price.provider))).toEqual(new Set(['anthropic']));
  });
});

describe('the ledger', () => {
  it('records an event and its charges once, however often it comes', async () => {
    const ledger = createLedger(database);
    const priced = pricedOf(attemptEventOf());
    expect(await ledger.recordEvents([priced, { ...priced }])).toEqual({
      recorded: 1,
      repeated: 1,
      quarantined: 0,
    });
    expect(await ledger.recordEvents([priced])).toEqual({ recorded: 0, repeated: 1, quarantined: 0 });
    expect(await count('usage_charge where attempt_id = $1', [priced.event.attemptId])).toBe(2);
  });

  it('keeps the first of two that contradict each other and puts the other into quarantine', async () => {
    const ledger = createLedger(database);
    const first = attemptEventOf();
    const contradicting = { ...first, durationMs: 31 };
    await ledger.recordEvents([pricedOf(first)]);
    const late = pricedOf(contradicting);
    expect(await ledger.recordEvents([late, { ...late }])).toEqual({
      recorded: 0,
      repeated: 0,
      quarantined: 2,
    });
    expect(await count('event_quarantine where attempt_id = $1', [first.attemptId])).toBe(1);
    const other = attemptEventOf();
    const together = [pricedOf(other), pricedOf({ ...other, durationMs: 32 })];
    expect(await ledger.recordEvents(together)).toEqual({ recorded: 1, repeated: 0, quarantined: 1 });
    const kept = await database.pool.query<{ duration_ms: number }>(
      'select duration_ms from usage_event where attempt_id = any($1)',
      [[first.attemptId, other.attemptId]],
    );
    expect(kept.rows.map((row) => row.duration_ms)).toEqual([30, 30]);
  });

  it('does not let a poisonous event hold up its batch', async () => {
    const ledger = createLedger(database);
    const batch = Array.from({ length: 20 }, () => attemptEventOf());
    batch[7] = attemptEventOf({ queueMs: 3_000_000_000 });
    const huge = { source: 'provider', tokens: { input: Number.MAX_SAFE_INTEGER } } as const;
    batch[13] = attemptEventOf({ usage: huge });
    expect(await ledger.recordEvents(batch.map(pricedOf))).toEqual({
      recorded: 18,
      repeated: 0,
      quarantined: 2,
    });
    const kept = await database.pool.query<{ reason: string; payload: string }>(
      'select reason, payload from event_quarantine where attempt_id = any($1)',
      [[batch[7].attemptId, batch[13].attemptId]],
    );
    expect(kept.rows.map((row) => row.reason)).toEqual(
      Array(2).fill('the ledger refuses it (SQLSTATE 22003)'),
    );
    expect(kept.rows[0]?.payload).toContain('"version":1');
  });

  it('meters a request whatever its labels hold', async () => {
    const ledger = createLedger(database);
    const event = attemptEventOf({
      model: 'nul\0model',
      attribution: { user: 'a\0b\ud800', tags: { 'k\0': 'v\udfff', back: '\\u0000' } },
      usage: { source: 'provider', tokens: {}, raw: { text: '\0', path: 'C:\\u0000', lone: '\ud83d' } },
    });
    expect((await ledger.recordEvents([pricedOf(event)])).recorded).toBe(1);
    const stored = await database.pool.query(
      'select model, end_user, tags, raw_usage from usage_event where attempt_id = $1',
      [event.attemptId],
    );
    expect(stored.rows[0]).toEqual({
      model: 'nul\ufffdmodel',
      end_user: 'a\ufffdb\ufffd',
      tags: { 'k\ufffd': 'v\ufffd', back: '\\u0000' },
      raw_usage: { text: '\ufffd', path: 'C:\\u0000', lone: '\ufffd' },
    });
  });

  it("lets a worker's truth replace the presumption of a lost outcome, in either order", async () => {
    const ledger = createLedger(database);
    const tenantId = seededMint(5, EVENT_TIME_MS).mint('ten');
    for (const order of [[0, 1] as const, [1, 0] as const]) {
      const truth = attemptEventOf({ tenantId });
      const presumed = attemptEventOf({
        ...truth,
        revision: 0,
        outcome: 'outcome_unknown',
        usage: { source: 'none', tokens: {} },
      });
      for (const revision of order) await ledger.recordEvents([pricedOf(revision === 0 ? presumed : truth)]);
    }
    const { rows } = await queryUsage(database, { ...everything, tenantId, groupBy: ['status'] });
    expect(rows).toMatchObject([
      { dimensions: ['succeeded'], requests: 2, attempts: 2, unknownAttempts: 0, costPicoUsd: 420_000_000n },
    ]);
  });
});

describe('ten thousand random events', () => {
  const EVENTS = 10_000;
  const random = seededRandom(42);
  const pick = <Value>(values: readonly Value[]): Value =>
    values[Math.floor(random() * values.length)] as Value;
  const mint = seededMint(99, EVENT_TIME_MS);
  const tenants = Array.from({ length: 5 }, () => mint.mint('ten'));
  const models = [
    'gpt-4o-mini',
    'gpt-4o',
    'gpt-4.1-mini',
    'claude-sonnet-4-5',
    'claude-haiku-4-5',
    'no-such-model',
  ];
  const events: AttemptEvent[] = [];
  const asOf = everything.asOf;
  const ours = { ...everything, filters: { tenant: tenants }, asOf };

  /** The cost by another way than the product's: plain products of counts and the data's own decimals. */
  const independentCost = (event: AttemptEvent): bigint | null => {
    if (event.usage.source === 'none') return event.outcome === 'failed' ? 0n : null;
    const rates: Record<string, Partial<Record<string, bigint>>> = {
      'gpt-4o-mini': { input: 150_000n, cache_read: 75_000n, output: 600_000n },
      'gpt-4o': { input: 2_500_000n, cache_read: 1_250_000n, output: 10_000_000n },
      'gpt-4.1-mini': { input: 400_000n, cache_read: 100_000n, output: 1_600_000n },
      'claude-sonnet-4-5': {
        input: 3_000_000n,
        cache_read: 300_000n,
        cache_write_5m: 3_750_000n,
        output: 15_000_000n,
      },
      'claude-haiku-4-5': {
        input: 1_000_000n,
        cache_read: 100_000n,
        cache_write_5m: 1_250_000n,
        output: 5_000_000n,
      },
    };
    const { tokens } = event.usage;
    const total = (tokens.input ?? 0) + (tokens.cache_read ?? 0) + (tokens.cache_write_5m ?? 0);
    const isLong = event.model === 'claude-sonnet-4-5' && total > 200_000;
    let cost = 0n;
    for (const component of TOKEN_CLASSES) {
      const quantity = tokens[component] ?? 0;
      if (quantity === 0) continue;
      const rate = rates[event.model]?.[component];
      if (rate === undefined) return null;
      cost += BigInt(quantity) * rate;
      // Long prompts cost twice as much in and one and a half times as much out.
      if (isLong) cost += (BigInt(quantity) * rate) / (component === 'output' ? 2n : 1n);
    }
    return cost;
  };

  beforeAll(async () => {
    for (let index = 0; index < EVENTS; index += 1) {
      const model = pick(models);
      const isClaude = model.startsWith('claude');
      const tokens = () => Math.floor(random() * (random() < 0.1 ? 300_000 : 3_000));
      const isSilent = random() < 0.05;
      events.push(
        attemptEventOf(
          {
            tenantId: pick(tenants),
            provider: isClaude ? 'anthropic' : 'openai',
            model,
            servedModel: pick([null, model]),
            outcome: isSilent ? pick(['failed', 'timed_out', 'cut']) : 'succeeded',
            upstreamStatus: isSilent ? 500 : 200,
            lane: pick(['interactive', 'batch']),
            route: pick([null, 'main', 'backup']),
            attribution: {
              ...pick([{}, { team: 'search' }, { team: 'mail', feature: 'draft' }]),
              tags: pick([{}, { env: 'prod' }, { env: 'test' }]) as Record<string, string>,
            },
            startedAtMs: EVENT_TIME_MS - Math.floor(random() * 40 * 86_400_000),
            usage: isSilent
              ? { source: 'none', tokens: {} }
              : {
                  source: pick(['provider', 'provider', 'estimated']),
                  tokens: {
                    input: tokens(),
                    cache_read: tokens(),
                    output: tokens(),
                    ...(isClaude ? { cache_write_5m: tokens() } : {}),
                  },
                },
          },
          mint,
        ),
      );
    }
    const ledger = createLedger(database);
    const deliveries = [...events, ...events.slice(0, 3_000)].map((event) => ({ event, at: random() }));
    deliveries.sort((a, b) => a.at - b.at);
    const batches: PricedEvent[][] = [];
    for (let start = 0; start < deliveries.length; start += 500) {
      batches.push(deliveries.slice(start, start + 500).map(({ event }) => pricedOf(event)));
    }
    // Two writers at once, as two instances of metering would be.
    let recorded = 0;
    const write = async () => {
      for (let batch = batches.pop(); batch !== undefined; batch = batches.pop()) {
        const counts = await ledger.recordEvents(batch);
        expect(counts.quarantined).toBe(0);
        recorded += counts.recorded;
      }
    };
    await Promise.all([write(), write()]);
    expect(recorded).toBe(EVENTS);
  });

  it('cost what an independent computation says, to the pico-dollar', async () => {
    const costs = events.map(independentCost);
    const total = costs.reduce<bigint>((sum, cost) => sum + (cost ?? 0n), 0n);
    const { rows, totalCostPicoUsd, estimatedCostPicoUsd } = await queryUsage(database, ours);
    expect(rows).toHaveLength(1);
    expect(rows[0]?.costPicoUsd).toBe(total);
    expect(totalCostPicoUsd).toBe(total);
    expect(rows[0]?.attempts).toBe(EVENTS);
    expect((rows[0]?.unpricedAttempts ?? 0) + (rows[0]?.unknownAttempts ?? 0)).toBe(
      costs.filter((cost) => cost === null).length,
    );
    const estimated = events.filter((event) => event.usage.source === 'estimated');
    expect(estimatedCostPicoUsd).toBe(
      estimated.reduce((sum, event) => sum + (independentCost(event) ?? 0n), 0n),
    );
    const charged = await database.pool.query<{ sum: string }>(
      `select sum(amount_pico_usd) from usage_charge join usage_event using (attempt_id, revision)
       where tenant_id = any($1) and pricing = 'priced'`,
      [tenants],
    );
    expect(BigInt(charged.rows[0]?.sum ?? 0)).toBe(total);
  });

  it.each([
    { groupBy: ['tenant'] },
    { groupBy: ['team', 'feature', 'tag:env'] },
    { groupBy: ['model', 'status', 'provider'] },
    { groupBy: ['route', 'lane', 'surface', 'api_key', 'provider_key', 'user'] },
    { groupBy: [], granularity: 'day', timeZone: 'America/New_York' },
    { groupBy: ['tag:env'], granularity: 'month', timeZone: 'Asia/Kolkata' },
    { groupBy: ['team'], granularity: 'hour' },
  ] as const)('sum to the same total in any grouping: %j', async (grouping) => {
    const total = (await queryUsage(database, ours)).rows[0];
    const { rows } = await queryUsage(database, { ...ours, ...grouping });
    expect(rows.length).toBeGreaterThan(1);
    const sum = (read: (row: (typeof rows)[number]) => bigint) =>
      rows.reduce((all, row) => all + read(row), 0n);
    expect(sum((row) => row.costPicoUsd)).toBe(total?.costPicoUsd);
    expect(sum((row) => BigInt(row.attempts))).toBe(BigInt(total?.attempts ?? -1));
    expect(sum((row) => BigInt(row.unpricedAttempts))).toBe(BigInt(total?.unpricedAttempts ?? -1));
    for (const token of TOKEN_CLASSES) {
      expect(sum((row) => BigInt(row.tokens[token]))).toBe(BigInt(total?.tokens[token] ?? -1));
    }
  });
});
