import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { decodeUsd } from '#domain/money';
import { priceAttempt } from '#domain/price';
import type { Database } from '#postgres/database';
import { listPrices, openPriceBookCache, positionOf } from '#postgres/price-book';
import { seedPriceBook, type PriceSource } from '#postgres/price-seed';
import { readGenaiPrices } from '#services/metering/genai-prices';
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
    const rows = await countRows(database, 'price');
    expect(rows).toBe(readGenaiPrices().prices.length);
    const added = await Promise.all(
      [1, 2, 3].map(() => seedPriceBook(database, readGenaiPrices(), EVENT_TIME_MS)),
    );
    expect(added).toEqual([0, 0, 0]);
    expect(await countRows(database, 'price')).toBe(rows);
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
