import { calcPrice } from '@pydantic/genai-prices';
import { describe, expect, it } from 'vitest';
import type { TokenCounts } from '#contracts/usage';
import { PROVIDER_IDS } from '#contracts/vocabulary';
import { PriceBook } from '#domain/price-book';
import { priceAttempt } from '#domain/price';
import { attemptEventOf, EVENT_TIME_MS, seededRandom } from '#test/support/attempt-events';
import { readGenaiPrices } from './genai-prices.ts';
import { readPriceSources } from './price-sources.ts';

const source = readGenaiPrices();
const prices = readPriceSources().flatMap((each) => each.prices);
const book = new PriceBook(prices.map((price, index) => ({ id: BigInt(index), ...price })));

const PICO = 1e12;

describe('prices read from genai-prices', () => {
  it('names the version and the hash of what was read', () => {
    expect(source.version).toMatch(/^\d+\.\d+\.\d+/);
    expect(source.hash).toMatch(/^[0-9a-f]{64}$/);
    expect(readGenaiPrices().hash).toBe(source.hash);
  });

  it.each([
    ['openai', 'gpt-4o-mini', 150_000n, 600_000n],
    ['openai', 'gpt-4o-mini-2024-07-18', 150_000n, 600_000n],
    ['openai', 'gpt-4o', 2_500_000n, 10_000_000n],
    ['openai', 'gpt-4.1-mini', 400_000n, 1_600_000n],
    ['anthropic', 'claude-sonnet-4-5', 3_000_000n, 15_000_000n],
    ['anthropic', 'claude-sonnet-4-5-20250929', 3_000_000n, 15_000_000n],
    ['anthropic', 'claude-3-5-haiku-latest', 800_000n, 4_000_000n],
    ['anthropic', 'claude-3-5-haiku-20241022', 800_000n, 4_000_000n],
    ['anthropic', 'claude-haiku-4-5-20251001', 1_000_000n, 5_000_000n],
    ['anthropic', 'claude-sonnet-4-20250514', 3_000_000n, 15_000_000n],
  ] as const)('prices %s/%s', (provider, model, input, output) => {
    const at = { provider, model, tier: 'standard', inputTotal: 1_000n, atMs: EVENT_TIME_MS };
    expect(book.find({ ...at, component: 'input' })?.ratePicoUsd).toBe(input);
    expect(book.find({ ...at, component: 'output' })?.ratePicoUsd).toBe(output);
  });

  it('writes a cache for Anthropic at its own rate by lifetime, and has none where the lifetime is unknown', () => {
    const at = {
      provider: 'anthropic',
      model: 'claude-haiku-4-5',
      tier: 'standard',
      atMs: EVENT_TIME_MS,
    } as const;
    expect(book.find({ ...at, inputTotal: 1n, component: 'cache_write_5m' })?.ratePicoUsd).toBe(1_250_000n);
    expect(book.find({ ...at, inputTotal: 1n, component: 'cache_write_1h' })?.ratePicoUsd).toBe(2_000_000n);
    expect(book.find({ ...at, inputTotal: 1n, component: 'cache_write_other' })).toBeNull();
  });

  it('ends one rate where the next begins', () => {
    const at = {
      provider: 'openai',
      model: 'o3',
      component: 'input',
      tier: 'standard',
      inputTotal: 1n,
    } as const;
    const changeMs = Date.UTC(2025, 5, 10);
    expect(book.find({ ...at, atMs: changeMs - 1 })?.ratePicoUsd).toBe(10_000_000n);
    expect(book.find({ ...at, atMs: changeMs })?.ratePicoUsd).toBe(2_000_000n);
  });

  it('has no price for a server that only speaks as OpenAI does', () => {
    expect(book.listedModels('openai_compatible', EVENT_TIME_MS)).toEqual([]);
  });

  it("agrees with the package's own arithmetic wherever both know a price", () => {
    const random = seededRandom(7);
    let compared = 0;
    for (const provider of PROVIDER_IDS) {
      for (const model of book.listedModels(provider, EVENT_TIME_MS)) {
        for (const scale of [1_000, 120_000, 400_000]) {
          const count = () => Math.floor(random() * scale);
          const tokens: TokenCounts = { input: count(), cache_read: count(), output: count() };
          const writes = provider === 'anthropic' ? count() : 0;
          tokens.cache_write_5m = writes;
          const event = attemptEventOf({
            provider,
            model,
            servedModel: null,
            usage: { source: 'provider', tokens },
          });
          const ours = priceAttempt(event, book);
          if (ours.kind !== 'priced') continue;
          const theirs = calcPrice(
            {
              input_tokens: (tokens.input ?? 0) + (tokens.cache_read ?? 0) + writes,
              cache_read_tokens: tokens.cache_read,
              cache_write_tokens: writes,
              output_tokens: tokens.output,
            },
            model,
            { providerId: provider, timestamp: new Date(EVENT_TIME_MS) },
          );
          expect(Number(ours.costPicoUsd) / PICO, `${provider}/${model}`).toBeCloseTo(
            theirs?.total_price ?? -1,
            9,
          );
          compared += 1;
        }
      }
    }
    expect(compared).toBeGreaterThan(1_000);
  });
});
