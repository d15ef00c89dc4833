import { describe, expect, it } from 'vitest';
import type { AttemptEvent } from '#contracts/attempt-event';
import type { TokenClass } from '#contracts/usage';
import { attemptEventOf, EVENT_TIME_MS } from '#test/support/attempt-events';
import { priceRateOf } from '#test/support/price-rates';
import { PriceBook, type PriceRate } from './price-book.ts';
import { priceAttempt } from './price.ts';

let nextId = 1n;
const rateOf = (
  provider: string,
  model: string,
  component: TokenClass,
  ratePicoUsd: bigint,
  more: Partial<PriceRate> = {},
): PriceRate => priceRateOf({ id: nextId++, provider, model, component, ratePicoUsd, ...more });

const book = new PriceBook([
  rateOf('openai', 'gpt-4o-mini', 'input', 150_000n),
  rateOf('openai', 'gpt-4o-mini', 'cache_read', 75_000n),
  rateOf('openai', 'gpt-4o-mini', 'output', 600_000n),
  rateOf('openai', 'gpt-4o-mini-new', 'input', 1n),
  rateOf('openai', 'gpt-4o-mini-new', 'output', 2n),
  rateOf('openai', 'long', 'input', 10n, { inputTotalMax: 100n }),
  rateOf('openai', 'long', 'input', 20n, { inputTotalMin: 101n, inputTotalMax: 1_000n }),
  rateOf('openai', 'long', 'cache_read', 1n, { inputTotalMax: 100n }),
  rateOf('openai', 'dated', 'input', 10n, { effectiveToMs: EVENT_TIME_MS }),
  rateOf('openai', 'dated', 'input', 8n, { effectiveFromMs: EVENT_TIME_MS }),
  rateOf('anthropic', 'claude-haiku-4-5-YYYYMMDD', 'input', 1_000_000n),
  rateOf('anthropic', 'claude-haiku-4-5', 'input', 1_000_000n),
]);

const price = (changes: Partial<AttemptEvent>) => priceAttempt(attemptEventOf(changes), book);
const usageOf = (tokens: AttemptEvent['usage']['tokens'], more: Partial<AttemptEvent['usage']> = {}) => ({
  source: 'provider' as const,
  tokens,
  ...more,
});

describe('the price of an attempt', () => {
  it('is the exact sum over the used classes', () => {
    const pricing = price({ usage: usageOf({ input: 1_200, cache_read: 300, output: 7, input_audio: 0 }) });
    expect(pricing.kind).toBe('priced');
    expect(pricing.costPicoUsd).toBe(1_200n * 150_000n + 300n * 75_000n + 7n * 600_000n);
    expect(pricing.charges.map((charge) => charge.component)).toEqual(['input', 'cache_read', 'output']);
  });

  it('uses the served model where the book lists it, else the model asked for', () => {
    expect(price({ servedModel: 'gpt-4o-mini-new' }).costPicoUsd).toBe(1_000n + 200n);
    expect(price({ servedModel: 'gpt-4o-mini-2024-07-18' }).costPicoUsd).toBe(210_000_000n);
    expect(price({ servedModel: null }).costPicoUsd).toBe(210_000_000n);
  });

  it('never prices a model by the beginning of its name', () => {
    const pricing = price({ model: 'gpt-4o-mini-search', servedModel: 'gpt-4o-mini-search-2' });
    expect(pricing).toMatchObject({ kind: 'unpriced', costPicoUsd: null, charges: [] });
    expect(pricing.reason).toBe(
      'no rate for input, output of openai/gpt-4o-mini-search, tier standard, 1000 tokens in',
    );
  });

  it('prices a dated snapshot only where the book has a date pattern for it', () => {
    const dated = { provider: 'anthropic', servedModel: null, usage: usageOf({ input: 1 }) } as const;
    expect(price({ ...dated, model: 'claude-haiku-4-5-20251001' }).costPicoUsd).toBe(1_000_000n);
    expect(price({ ...dated, model: 'claude-haiku-4-5-2025100' }).kind).toBe('unpriced');
    expect(price({ ...dated, model: 'claude-haiku-4-5-20251341' }).kind).toBe('unpriced');
    expect(price({ model: 'gpt-4o-mini-2026-01-01', servedModel: null }).kind).toBe('unpriced');
    expect(book.listedModels('anthropic', EVENT_TIME_MS)).toEqual(['claude-haiku-4-5']);
  });

  it('keeps the charges it knows and no cost when one used class has no rate', () => {
    const pricing = price({ usage: usageOf({ input: 10, input_audio: 1 }) });
    expect(pricing).toMatchObject({ kind: 'unpriced', costPicoUsd: null });
    expect(pricing.charges).toMatchObject([{ component: 'input', amountPicoUsd: 1_500_000n }]);
  });

  it.each(['flex', 'priority', 'scale', 'batch', 'auto'])(
    'never takes the tier %s for standard',
    (serviceTier) => {
      expect(price({ usage: usageOf({ input: 1 }, { serviceTier }) }).kind).toBe('unpriced');
    },
  );

  it("knows each provider's word for its standard tier", () => {
    expect(price({ usage: usageOf({ input: 1 }, { serviceTier: 'default' }) }).kind).toBe('priced');
    expect(price({ usage: usageOf({ input: 1 }, { serviceTier: 'standard' }) }).kind).toBe('priced');
    const anthropic = { provider: 'anthropic', model: 'claude-haiku-4-5', servedModel: null } as const;
    expect(price({ ...anthropic, usage: usageOf({ input: 1 }, { serviceTier: 'standard' }) }).kind).toBe(
      'priced',
    );
    expect(price({ ...anthropic, usage: usageOf({ input: 1 }, { serviceTier: 'default' }) }).kind).toBe(
      'unpriced',
    );
  });

  it.each([{ speed: 'fast' }, { inference_geo: 'us' }, { server_tool_use: { web_search_requests: 1 } }])(
    'does not understate what Anthropic charges besides tokens: %j',
    (raw) => {
      const event = { provider: 'anthropic', model: 'claude-haiku-4-5', servedModel: null } as const;
      expect(price({ ...event, usage: usageOf({ input: 1 }, { raw }) }).kind).toBe('unpriced');
    },
  );

  it("chooses the rate by the request's whole input", () => {
    const long = { model: 'long', servedModel: null } as const;
    expect(price({ ...long, usage: usageOf({ input: 60, cache_read: 40 }) }).costPicoUsd).toBe(640n);
    expect(price({ ...long, usage: usageOf({ input: 101 }) }).costPicoUsd).toBe(2_020n);
    expect(price({ ...long, usage: usageOf({ input: 61, cache_read: 40 }) }).kind).toBe('unpriced');
    expect(price({ ...long, usage: usageOf({ input: 1_001 }) }).kind).toBe('unpriced');
  });

  it('uses the rate in force when the attempt started', () => {
    const dated = { model: 'dated', servedModel: null, usage: usageOf({ input: 1 }) } as const;
    expect(price({ ...dated, startedAtMs: EVENT_TIME_MS - 1 }).costPicoUsd).toBe(10n);
    expect(price(dated).costPicoUsd).toBe(8n);
  });

  it('costs nothing where the provider refused or was never reached', () => {
    const none = { source: 'none', tokens: {} } as const;
    const failed = { outcome: 'failed', usage: none } as const;
    expect(price({ ...failed, upstreamStatus: 429, errorCode: 'quota' })).toMatchObject({
      kind: 'priced',
      costPicoUsd: 0n,
    });
    expect(price({ ...failed, upstreamStatus: null, errorCode: 'connection' }).costPicoUsd).toBe(0n);
    expect(price({ ...failed, upstreamStatus: 200, errorCode: 'server' }).kind).toBe('unknown');
    expect(price({ ...failed, upstreamStatus: null, errorCode: 'malformed_answer' }).kind).toBe('unknown');
  });

  it.each(['succeeded', 'timed_out', 'cut', 'cancelled', 'outcome_unknown'] as const)(
    'is unknown when an attempt that %s reported no usage',
    (outcome) => {
      const pricing = price({ outcome, usage: { source: 'none', tokens: {} }, upstreamStatus: null });
      expect(pricing).toMatchObject({ kind: 'unknown', costPicoUsd: null });
    },
  );

  it('keeps explicit zeros at zero', () => {
    expect(price({ usage: usageOf({ input: 0, output: 0 }) })).toMatchObject({
      kind: 'priced',
      costPicoUsd: 0n,
    });
  });
});
