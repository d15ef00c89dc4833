import { describe, expect, it } from 'vitest';
import type { AttemptEvent } from '#contracts/attempt-event';
import { attemptEventOf, EVENT_TIME_MS } from '#test/support/attempt-events';
import { priceRateOf } from '#test/support/price-rates';
import { NegotiatedRates } from './negotiated-rate.ts';
import { PriceBook, type PriceRate } from './price-book.ts';
import { priceAttempt } from './price.ts';

let nextId = 1n;
const rateOf = (component: string, ratePicoUsd: bigint, more: Partial<PriceRate> = {}): PriceRate =>
  priceRateOf({ id: nextId++, component, ratePicoUsd, ...more });

const price = (rates: PriceRate[], changes: Partial<AttemptEvent>) =>
  priceAttempt(attemptEventOf({ model: 'm', servedModel: null, ...changes }), new PriceBook(rates));
const usage = (tokens: AttemptEvent['usage']['tokens'], more: Partial<AttemptEvent['usage']> = {}) => ({
  usage: { source: 'provider' as const, tokens, ...more },
});

describe('a rate holds under its conditions', () => {
  it('from the millisecond it is in force to the one it is not, in whatever order one book is asked', () => {
    const book = new PriceBook([
      rateOf('input', 1n, { effectiveFromMs: 1_000, effectiveToMs: 2_000 }),
      rateOf('input', 2n, { effectiveFromMs: 2_000, effectiveToMs: 3_000 }),
      rateOf('output', 5n, { effectiveFromMs: 1_500 }),
    ]);
    const inForce = (atMs: number) => book.ratesOf('openai', 'm', atMs).map((rate) => rate.ratePicoUsd);
    const expected = new Map<number, bigint[]>([
      [999, []],
      [1_000, [1n]],
      [1_499, [1n]],
      [1_500, [1n, 5n]],
      [1_999, [1n, 5n]],
      [2_000, [2n, 5n]],
      [2_999, [2n, 5n]],
      [3_000, [5n]],
      [9_000, [5n]],
    ]);
    for (const first of expected.keys()) {
      for (const [atMs, rates] of expected) {
        inForce(first);
        expect(inForce(atMs), `${atMs} after ${first}`).toEqual(rates);
      }
    }
  });

  it('for a part of the units, where rates follow on each other', () => {
    const rates = [
      rateOf('input', 30n, { quantityFrom: 1_000n, quantityTo: 5_000n }),
      rateOf('input', 10n, { quantityTo: 1_000n }),
      rateOf('input', 50n, { quantityFrom: 5_000n }),
    ];
    const parts = (input: number) =>
      price(rates, usage({ input })).charges.map(({ quantity, ratePicoUsd }) => [quantity, ratePicoUsd]);
    expect(parts(1_000)).toEqual([[1_000n, 10n]]);
    expect(parts(1_001)).toEqual([
      [1_000n, 10n],
      [1n, 30n],
    ]);
    expect(parts(6_000)).toEqual([
      [1_000n, 10n],
      [4_000n, 30n],
      [1_000n, 50n],
    ]);
  });

  it('for no more units than it is listed for', () => {
    const rates = [
      rateOf('input', 10n, { quantityTo: 1_000n }),
      rateOf('input', 30n, { quantityFrom: 1_500n }),
    ];
    expect(price(rates, usage({ input: 1_000 })).costPicoUsd).toBe(10_000n);
    expect(price(rates, usage({ input: 1_001 }))).toMatchObject({ kind: 'unpriced', charges: [] });
  });

  it.each([
    ['12:59:59', 10n],
    ['13:00:00', 4n],
    ['23:59:59', 4n],
    ['00:29:59', 4n],
    ['00:30:00', 10n],
  ])('in its hours of the UTC day, past midnight too: %s', (time, rate) => {
    const rates = [rateOf('input', 10n), rateOf('input', 4n, { dayMinutes: { from: 13 * 60, to: 30 } })];
    const startedAtMs = Date.parse(`2026-06-15T${time}Z`);
    expect(price(rates, { startedAtMs, ...usage({ input: 1 }) }).costPicoUsd).toBe(rate);
  });

  it('in its region alone, and never for another', () => {
    const rates = [
      rateOf('input', 10n, { provider: 'anthropic' }),
      rateOf('input', 11n, { provider: 'anthropic', region: 'us' }),
    ];
    const at = (geo: string) =>
      price(rates, { provider: 'anthropic', ...usage({ input: 1 }, { raw: { inference_geo: geo } }) });
    expect(at('global').costPicoUsd).toBe(10n);
    expect(at('us').costPicoUsd).toBe(11n);
    expect(at('eu')).toMatchObject({ kind: 'unpriced', reason: expect.stringContaining('region eu') });
  });

  it('for calls of tools in whatever tier the tokens are', () => {
    const rates = [rateOf('input', 10n, { tier: 'flex' }), rateOf('web_search', 10_000_000_000n)];
    const used = usage({ input: 5 }, { serviceTier: 'flex', serverToolCalls: { web_search: 2 } });
    expect(price(rates, used).costPicoUsd).toBe(20_000_000_050n);
    const other = usage({ input: 5 }, { serviceTier: 'flex', serverToolCalls: { browsing: 1 } });
    expect(price(rates, other)).toMatchObject({
      kind: 'unpriced',
      reason: expect.stringContaining('browsing'),
    });
  });

  it('for sound by the second where it is billed so, and then not by the token', () => {
    const used = usage({ input: 5, input_audio: 375 }, { raw: { prompt_audio_seconds: 30 } });
    const bySecond = [rateOf('input', 1n), rateOf('input_audio_seconds', 1_000n)];
    expect(price(bySecond, used).costPicoUsd).toBe(30_005n);
    expect(price([rateOf('input', 1n), rateOf('input_audio', 2n)], used).costPicoUsd).toBe(755n);
  });
});

describe('a model that nobody lists', () => {
  const event = attemptEventOf({ provider: 'openai_compatible', model: 'ours', servedModel: 'ours' });
  const rule = {
    id: 'rate_1',
    tenantId: event.tenantId,
    provider: 'openai_compatible' as const,
    model: 'ours',
    component: null,
    providerKeyId: null,
    volumeTiers: [],
    volumePeriod: null,
    effectiveFromMs: EVENT_TIME_MS,
    effectiveToMs: null,
  };
  const priced = (kind: 'absolute' | 'discount') =>
    priceAttempt(event, new PriceBook([]), {
      rates: new NegotiatedRates([{ ...rule, kind, value: 7n }]),
      takeVolume: () => 0n,
    });

  it('has an absolute negotiated rate, which is its list rate too', () => {
    expect(priced('absolute')).toMatchObject({ costPicoUsd: 7_700n, listCostPicoUsd: 7_700n });
    expect(priced('absolute').charges.map(({ priceId, rateId }) => [priceId, rateId])).toEqual([
      [null, 'rate_1'],
      [null, 'rate_1'],
    ]);
  });

  it('cannot have a discount', () => {
    expect(priced('discount')).toMatchObject({ kind: 'unpriced', costPicoUsd: null });
  });
});
