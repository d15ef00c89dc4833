import { describe, expect, it } from 'vitest';
import { attemptEventOf } from '#test/support/attempt-events';
import { priceRateOf } from '#test/support/price-rates';
import { worstCaseOf } from './budget-estimate.ts';
import type { NegotiatedRate } from './negotiated-rate.ts';

const { tenantId } = attemptEventOf();
const listed = (component: string, ratePicoUsd: bigint) => priceRateOf({ component, ratePicoUsd });
const agreed = (changes: Partial<NegotiatedRate>): NegotiatedRate => ({
  id: 'rate_1',
  tenantId,
  provider: 'openai',
  model: '*',
  component: null,
  providerKeyId: null,
  kind: 'absolute',
  value: 0n,
  volumeTiers: [],
  volumePeriod: null,
  effectiveFromMs: 0,
  effectiveToMs: null,
  ...changes,
});
const LIST = [listed('input', 10n), listed('cache_write_5m', 12n), listed('output', 40n)];
const use = { inputTokens: 100, outputTokens: 5 };
const priced = (picoUsd: bigint) => ({ kind: 'priced', picoUsd });

describe('the worst case of an attempt', () => {
  it('is the dearest rate of each side, whether listed or agreed', () => {
    expect(worstCaseOf({ listed: LIST, agreed: [] }, use)).toEqual(priced(100n * 12n + 5n * 40n));
    const cheap = [agreed({ value: 1n })];
    expect(worstCaseOf({ listed: LIST, agreed: cheap }, use)).toEqual(priced(100n * 12n + 5n * 40n));
    const dear = [
      agreed({ component: 'input', value: 30n }),
      agreed({ component: 'web_search', value: 900n }),
    ];
    expect(worstCaseOf({ listed: LIST, agreed: dear }, use)).toEqual(priced(100n * 30n + 5n * 40n));
    const tiers = [agreed({ component: 'output', value: 1n, volumeTiers: [{ from: 10n, value: 50n }] })];
    expect(worstCaseOf({ listed: LIST, agreed: tiers }, use)).toEqual(priced(100n * 12n + 5n * 50n));
  });

  it('is known from an agreement alone, and unknown where a side has no rate at all', () => {
    const both = [agreed({ value: 2n })];
    expect(worstCaseOf({ listed: [], agreed: both }, use)).toEqual(priced(105n * 2n));
    const unpriced = { kind: 'unpriced' };
    expect(worstCaseOf({ listed: [], agreed: [agreed({ component: 'input', value: 2n })] }, use)).toEqual(
      unpriced,
    );
    const discount = [agreed({ kind: 'discount', value: 10n })];
    expect(worstCaseOf({ listed: [], agreed: discount }, use)).toEqual(unpriced);
  });
});
