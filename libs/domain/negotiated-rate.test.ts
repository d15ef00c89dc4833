import { describe, expect, it } from 'vitest';
import { attemptEventOf, EVENT_TIME_MS } from '#test/support/attempt-events';
import {
  NegotiatedRates,
  negotiatedParts,
  volumePeriodStartMs,
  type NegotiatedRate,
} from './negotiated-rate.ts';

const attempt = attemptEventOf();
const ruleOf = (id: string, changes: Partial<NegotiatedRate> = {}): NegotiatedRate => ({
  id,
  tenantId: attempt.tenantId,
  provider: 'openai',
  model: '*',
  component: null,
  providerKeyId: null,
  kind: 'absolute',
  value: 1n,
  volumeTiers: [],
  volumePeriod: null,
  effectiveFromMs: 0,
  effectiveToMs: null,
  ...changes,
});

const query = {
  tenantId: attempt.tenantId,
  provider: 'openai',
  providerKeyId: attempt.providerKeyId,
  models: ['gpt-4o-mini'],
  component: 'input',
  atMs: EVENT_TIME_MS,
} as const;
const found = (...rules: NegotiatedRate[]) => new NegotiatedRates(rules).find(query)?.id ?? null;

describe('of several negotiated rates', () => {
  it.each([
    [
      'a certain key before an exact model',
      ruleOf('a', { providerKeyId: attempt.providerKeyId }),
      ruleOf('b', { model: 'gpt-4o-mini', component: 'input' }),
    ],
    [
      'an exact model before a glob',
      ruleOf('a', { model: 'gpt-4o-mini' }),
      ruleOf('b', { model: 'gpt-4o-mini*' }),
    ],
    [
      'the glob that says more',
      ruleOf('a', { model: 'gpt-4o*' }),
      ruleOf('b', { model: 'gpt-*', component: 'input' }),
    ],
    ['a certain component before all', ruleOf('a', { component: 'input' }), ruleOf('b')],
    [
      'the later one of equals',
      ruleOf('a', { model: 'gpt*', effectiveFromMs: 5 }),
      ruleOf('b', { model: '*ini' }),
    ],
  ])('holds %s', (_, winner, loser) => {
    expect(found(winner)).toBe('a');
    expect(found(loser)).toBe('b');
    expect([found(winner, loser), found(loser, winner)]).toEqual(['a', 'a']);
  });

  it.each([
    ['another tenant', { tenantId: 'ten_other' as never }],
    ['another provider', { provider: 'anthropic' }],
    ['another key', { providerKeyId: 'pkey_other' as never }],
    ['another model', { model: 'gpt-4o' }],
    ['another component', { component: 'output' }],
    ['a time that has not come', { effectiveFromMs: EVENT_TIME_MS + 1 }],
    ['a time that is over', { effectiveToMs: EVENT_TIME_MS }],
  ] as [string, Partial<NegotiatedRate>][])('holds none that is for %s', (_, changes) => {
    expect(found(ruleOf('a', changes))).toBeNull();
  });
});

describe('what a negotiated rate makes of a list rate', () => {
  it('rounds a discounted rate once, half to even', () => {
    const half = ruleOf('a', { kind: 'discount', value: 50_000_000n });
    const rates = [150_000n, 5n, 7n].map((list) => negotiatedParts(half, 1n, 0n, list)?.[0]?.ratePicoUsd);
    expect(rates).toEqual([75_000n, 2n, 4n]);
    const odd = ruleOf('a', { kind: 'discount', value: 12_500_000n });
    expect(negotiatedParts(odd, 3n, 0n, 2_500_000n)).toEqual([
      { quantity: 3n, ratePicoUsd: 2_187_500n, volumeFrom: null },
    ]);
    expect(
      negotiatedParts(ruleOf('a', { kind: 'discount', value: 100_000_000n }), 1n, 0n, 9n)?.[0]?.ratePicoUsd,
    ).toBe(0n);
  });

  it('cannot discount what nobody lists, but needs no list for an absolute rate', () => {
    expect(negotiatedParts(ruleOf('a', { kind: 'discount' }), 1n, 0n, null)).toBeNull();
    expect(negotiatedParts(ruleOf('a', { value: 9n }), 2n, 0n, null)).toEqual([
      { quantity: 2n, ratePicoUsd: 9n, volumeFrom: null },
    ]);
  });

  it('splits a quantity where a tier of the volume begins', () => {
    const rule = ruleOf('a', {
      value: 10n,
      volumeTiers: [
        { from: 100n, value: 8n },
        { from: 150n, value: 5n },
      ],
      volumePeriod: 'month',
    });
    expect(negotiatedParts(rule, 80n, 90n, null)).toEqual([
      { quantity: 10n, ratePicoUsd: 10n, volumeFrom: 90n },
      { quantity: 50n, ratePicoUsd: 8n, volumeFrom: 100n },
      { quantity: 20n, ratePicoUsd: 5n, volumeFrom: 150n },
    ]);
  });

  it('begins a month’s volume with the month, and the first with the rule', () => {
    const rule = ruleOf('a', { volumePeriod: 'month', effectiveFromMs: Date.UTC(2026, 4, 20) });
    expect(volumePeriodStartMs(rule, EVENT_TIME_MS)).toBe(Date.UTC(2026, 5, 1));
    expect(volumePeriodStartMs(rule, Date.UTC(2026, 4, 25))).toBe(Date.UTC(2026, 4, 20));
    expect(volumePeriodStartMs({ ...rule, volumePeriod: 'term' }, EVENT_TIME_MS)).toBe(Date.UTC(2026, 4, 20));
  });
});
