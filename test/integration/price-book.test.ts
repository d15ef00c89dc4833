import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { decodeUsd } from '#domain/money';
import { priceAttempt } from '#domain/price';
import type { Database } from '#postgres/database';
import { listPrices, openPriceBookCache, positionOf } from '#postgres/price-book';
import type { PriceSource } from '#domain/price-change';
import { createPriceProposals } from '#postgres/price-proposals';
import { seedPriceBook } from '#postgres/price-seed';
import { readPriceSources } from '#services/metering/price-sources';
import { attemptEventOf, EVENT_TIME_MS } from '#test/support/attempt-events';
import { countRows, openTestLedger, type TestLedger } from '#test/support/ledger';

let opened: TestLedger;
let database: Database;

beforeAll(async () => {
  opened = await openTestLedger();
  database = opened.database;
});

afterAll(() => opened.close());

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
      region: '',
      quantityFrom: 0n,
      quantityTo: null,
      dayMinutes: null,
      effectiveFromMs: 0,
      effectiveToMs: null,
      reference: null,
      ...price,
    })),
  });
  const seed = (source: PriceSource, nowMs: number) =>
    seedPriceBook(database, source, { nowMs, changePercentMax: 100 });
  const intervals = async () => {
    const result = await database.pool.query<{ interval: string }>(
      `select concat_ws(' ', rate_pico_usd, extract(epoch from effective_from)::bigint,
                        extract(epoch from effective_to)::bigint) as interval
       from price where model = 'seeded' order by effective_from`,
    );
    return result.rows.map((row) => row.interval);
  };

  it('changes nothing when the same prices are seeded again', async () => {
    const rows = await countRows(database, 'price');
    const sources = readPriceSources();
    expect(rows).toBe(sources.reduce((sum, source) => sum + source.prices.length, 0));
    const again = [...sources, ...sources].map((source) => seedPriceBook(database, source));
    for (const counts of await Promise.all(again)) expect(counts).toEqual({ added: 0, proposed: 0 });
    expect(await countRows(database, 'price')).toBe(rows);
  });

  it('ends a rate that changed and begins the new one, without touching the past', async () => {
    await seed(only([{ ratePicoUsd: 5n }], '1'), 1_000_000);
    await seed(only([{ ratePicoUsd: 4n }], '2'), 2_000_000);
    expect(await intervals()).toEqual(['5 0 2000', '4 2000']);
    const announced = [
      { ratePicoUsd: 4n, effectiveToMs: 9_000_000 },
      { ratePicoUsd: 3n, effectiveFromMs: 9_000_000 },
    ];
    await seed(only(announced, '3'), 3_000_000);
    expect(await intervals()).toEqual(['5 0 2000', '4 2000 9000', '3 9000']);
    const postponed = [
      { ratePicoUsd: 4n, effectiveToMs: 9_500_000 },
      { ratePicoUsd: 3n, effectiveFromMs: 9_500_000 },
    ];
    await seed(only(postponed, '4'), 4_000_000);
    expect(await intervals()).toEqual(['5 0 2000', '4 2000 9000', '4 9000 9500', '3 9500']);
    expect(await seed(only(postponed, '4'), 5_000_000)).toEqual({ added: 0, proposed: 0 });
  });

  it("leaves another source's rate alone", async () => {
    const source = { ...only([{ ratePicoUsd: 99n }], '1'), name: 'another-source' };
    expect(await seed(source, 6_000_000)).toEqual({ added: 0, proposed: 0 });
  });

  it('makes no change of a rate without a person, except within the bound', async () => {
    const source = (ratePicoUsd: bigint, version: string) => ({
      ...only([{ model: 'guarded', ratePicoUsd }, { model: `guarded-${version}` }], `guarded ${version}`),
      name: 'guarded-source',
    });
    const proposals = createPriceProposals(database);
    const rates = async () => {
      const result = await database.pool.query<{ rate: string }>(
        `select rate_pico_usd as rate from price where model = 'guarded' order by effective_from`,
      );
      return result.rows.map((row) => Number(row.rate));
    };
    const times = { fromMs: 8_000, nowMs: 9_000 };
    await seedPriceBook(database, source(100n, '1'), { nowMs: 1_000 });
    const bounded = { nowMs: 2_000, changePercentMax: 10 };
    expect(await seedPriceBook(database, source(110n, '2'), bounded)).toEqual({ added: 2, proposed: 0 });
    const unbounded = { nowMs: 3_000, changePercentMax: 10 };
    expect(await seedPriceBook(database, source(122n, '3'), unbounded)).toEqual({ added: 1, proposed: 1 });
    expect(await rates()).toEqual([100, 110]);
    const [waiting] = await proposals.list();
    expect(waiting?.changes).toMatchObject([{ oldRatePicoUsd: 110n, newRatePicoUsd: 122n }]);
    expect(await proposals.promote(waiting?.id ?? '', 'ada', { fromMs: 500, nowMs: 9_000 })).toEqual({
      kind: 'too_late',
    });
    expect(await proposals.promote(waiting?.id ?? '', 'ada', times)).toEqual({ kind: 'applied', rates: 1 });
    expect(await proposals.promote(waiting?.id ?? '', 'bob', times)).toEqual({ kind: 'decided' });
    expect(await rates()).toEqual([100, 110, 122]);
    await seedPriceBook(database, source(200n, '4'), { nowMs: 10_000 });
    await seedPriceBook(database, source(300n, '5'), { nowMs: 11_000 });
    const left = await proposals.list();
    expect(left.map(({ version }) => version)).toEqual(['guarded 5']);
    expect(await proposals.reject(left[0]?.id ?? '', 'ada')).toBe(true);
    expect(await rates()).toEqual([100, 110, 122]);
  });

  it('is seen by a cache when it changed', async () => {
    const cache = await openPriceBookCache({ database, onError: () => undefined });
    const query = { provider: 'openai', model: 'fresh', component: 'input', tier: 'standard' } as const;
    const find = () => cache.current().find({ ...query, inputTotal: 0n, atMs: 1 })?.ratePicoUsd;
    expect(find()).toBeUndefined();
    await seed(only([{ model: 'fresh', ratePicoUsd: 2n }], '5'), 1);
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

  it.each([
    ['openai', 'gpt-4o-mini', '0.15'],
    ['openai', 'gpt-4o-mini-2024-07-18', '0.15'],
    ['openai', 'gpt-4o', '2.5'],
    ['openai', 'gpt-4o-2024-05-13', '5'],
    ['anthropic', 'claude-haiku-4-5', '1'],
    ['anthropic', 'claude-haiku-4-5-20251001', '1'],
  ] as const)('prices %s/%s, as it is named, at %s USD per million', (provider, model, usdPerMillion) => {
    const usage = { source: 'provider', tokens: { input: 1_000_000 } } as const;
    const pricing = priceAttempt(attemptEventOf({ provider, model, servedModel: null, usage }), opened.book);
    expect(pricing.costPicoUsd).toBe(decodeUsd(usdPerMillion));
  });

  it.each([
    ['openai', 'gpt-4o-mini-2024-07-18-mine'],
    ['openai', 'gpt-4o-mini-2024-07-19'],
    ['openai', 'gpt-4o-m'],
    ['openai', 'gpt-4o-mini-'],
    ['openai', 'claude-haiku-4-5'],
    ['anthropic', 'claude-haiku-4-5-20251001-v1'],
    ['anthropic', 'claude-haiku-4-5-2025'],
    ['anthropic', 'Claude-haiku-4-5'],
    ['anthropic', 'house-model'],
  ] as const)('has no price for %s/%s, however it begins', (provider, model) => {
    const pricing = priceAttempt(attemptEventOf({ provider, model, servedModel: null }), opened.book);
    expect(pricing).toMatchObject({ kind: 'unpriced', costPicoUsd: null, charges: [] });
  });
});
