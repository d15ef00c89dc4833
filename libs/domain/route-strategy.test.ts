import { describe, expect, it } from 'vitest';
import type { PlanStep } from '#contracts/dispatch';
import type { ListedModel } from '#contracts/listed-model';
import { priceRateOf } from '#test/support/price-rates';
import { IdMint } from './mint-id.ts';
import { estimateCost, fittingTargets, misfitOf, orderTargets, type TargetFacts } from './route-strategy.ts';

const mint = new IdMint({ nowMs: () => 1, fillRandom: (bytes) => crypto.getRandomValues(bytes) });
const stepOf = (model: string): PlanStep => ({
  provider: 'openai',
  model,
  providerKeyIds: [mint.mint('pkey')],
});
const weighed = (model: string, weight = 1) => ({ step: stepOf(model), weight });

const factsOf = (changes: Partial<TargetFacts> = {}): TargetFacts => ({
  costOf: () => null,
  firstTokenMsOf: () => null,
  listedOf: () => null,
  needs: { imageInput: false, tools: false, promptTokens: 100 },
  draw: Math.random,
  random: () => 0.5,
  ...changes,
});
const names = (steps: readonly PlanStep[]): string[] => steps.map(({ model }) => model);
const listed = (changes: Partial<ListedModel>): ListedModel => ({
  id: 'm',
  contextWindowTokens: null,
  maxOutputTokens: null,
  capabilities: null,
  ...changes,
});

describe('the order of a route’s targets', () => {
  it('is the route’s own under fallback', () => {
    const steps = [weighed('b'), weighed('a')];
    expect(names(orderTargets('fallback', steps, factsOf()))).toEqual(['b', 'a']);
  });

  it('follows the weights under weighted, and holds every target', () => {
    const steps = [weighed('one', 1), weighed('three', 3)];
    let first = 0;
    for (let turn = 0; turn < 4_000; turn += 1) {
      // An even spread of draws instead of chance.
      const draws = [((turn * 0.618_034) % 1) * 0.999, ((turn * 0.754_877) % 1) * 0.999];
      const order = names(orderTargets('weighted', steps, factsOf({ draw: () => draws.pop() ?? 0 })));
      expect(order).toHaveLength(2);
      first += order[0] === 'three' ? 1 : 0;
    }
    expect(first / 4_000).toBeGreaterThan(0.72);
    expect(first / 4_000).toBeLessThan(0.78);
  });

  it('is by cost under cheapest, with what has no price last', () => {
    const costs: Record<string, bigint> = { dear: 9n, cheap: 2n };
    const steps = [weighed('unknown'), weighed('dear'), weighed('cheap')];
    const facts = factsOf({ costOf: ({ model }) => costs[model] ?? null });
    expect(names(orderTargets('cheapest', steps, facts))).toEqual(['cheap', 'dear', 'unknown']);
  });

  it('is by time to first token under fastest, and finds out what it does not know', () => {
    const times: Record<string, number> = { slow: 900, quick: 100 };
    const facts = factsOf({ firstTokenMsOf: ({ model }) => times[model] ?? null });
    expect(names(orderTargets('fastest', [weighed('slow'), weighed('quick')], facts))).toEqual([
      'quick',
      'slow',
    ]);
    expect(
      names(orderTargets('fastest', [weighed('slow'), weighed('new'), weighed('quick')], facts))[0],
    ).toBe('new');
    const exploring = { ...facts, random: () => 0.04 };
    const slowFirst = {
      ...exploring,
      random: (() => {
        const draws = [0.04, 0.99];
        return () => draws.shift() ?? 0;
      })(),
    };
    expect(names(orderTargets('fastest', [weighed('slow'), weighed('quick')], slowFirst))[0]).toBe('slow');
  });
});

describe('what cannot serve a request', () => {
  it.each([
    ['a prompt over the window', { contextWindowTokens: 128_000 }, { promptTokens: 200_000 }, 'window'],
    ['an image without vision', { capabilities: { imageInput: false } }, { imageInput: true }, 'capability'],
    ['tools without tools', { capabilities: { tools: false } }, { tools: true }, 'capability'],
    ['what the provider says nothing of', { capabilities: {} }, { imageInput: true, tools: true }, null],
  ] as const)('is told by the provider’s list: %s', (_name, model, needs, misfit) => {
    const all = { imageInput: false, tools: false, promptTokens: 10, ...needs };
    expect(misfitOf(listed(model), all)).toBe(misfit);
  });

  it('is left out of a route while a target is left', () => {
    const steps = [weighed('blind'), weighed('seeing')];
    const blind = listed({ capabilities: { imageInput: false } });
    const needs = { imageInput: true, tools: false, promptTokens: 10 };
    const facts = factsOf({ needs, listedOf: ({ model }) => (model === 'blind' ? blind : null) });
    expect(fittingTargets(steps, facts)).toEqual([steps[1]]);
    expect(fittingTargets([weighed('blind')], facts)).toHaveLength(1);
  });
});

describe('the estimated cost', () => {
  const rate = (component: string, ratePicoUsd: bigint) => priceRateOf({ component, ratePicoUsd });

  it('is tokens in and out by the book’s rates, and not known without any', () => {
    const tokens = { inputTokens: 1_000, outputTokens: 10 };
    const target = { provider: 'openai', model: 'm' } as const;
    expect(estimateCost([rate('input', 2n), rate('output', 7n)], target, tokens, 1)).toBe(2_070n);
    expect(estimateCost([], target, tokens, 1)).toBe(null);
  });
});
