import type { PlanStep } from '#contracts/dispatch';
import type { ListedModel } from '#contracts/listed-model';
import type { RouteStrategy } from '#contracts/vocabulary';
import { STANDARD_TIER } from './billed-use.ts';
import { selectRates, type PriceRate } from './price-book.ts';
import type { RequestNeeds } from './request-needs.ts';

/** A target of a route as it would be tried, with the weight the route gives it. */
export type WeighedStep = { step: PlanStep; weight: number };

/** What is known of a request's targets while it is planned; what is not known is null. */
export type TargetFacts = {
  /** Pico-dollars that the request would about cost. */
  costOf: (step: PlanStep) => bigint | null;
  /** How long the last answers took to their first token. */
  firstTokenMsOf: (step: PlanStep) => number | null;
  /** What the provider lists of the model. */
  listedOf: (step: PlanStep) => ListedModel | null;
  needs: RequestNeeds;
  /** In [0, 1), by name; see `drawsOf`. */
  draw: (name: string) => number;
  random: () => number;
};

/** One request in so many takes another target first, so that its time stays known. */
const EXPLORE_SHARE = 0.05;

const nameOf = ({ provider, model }: PlanStep): string => `${provider}/${model}`;

/** A random order in which one of twice the weight comes first twice as often. */
export const byWeightedDraw = <Item extends { weight: number }>(
  items: readonly Item[],
  drawOf: (item: Item) => number,
): Item[] =>
  items
    // Exponential draws: the smallest of them falls to an item in proportion to its weight.
    .map((item) => ({ item, draw: -Math.log(1 - drawOf(item)) / Math.max(item.weight, Number.MIN_VALUE) }))
    .sort((one, other) => one.draw - other.draw)
    .map(({ item }) => item);

/** Ascending; what is not known comes last, and ties stay in the route's order. */
const ascendingBy = (steps: readonly WeighedStep[], valueOf: (step: PlanStep) => bigint | number | null) => {
  const valued = steps.map((one) => ({ one, value: valueOf(one.step) }));
  return valued
    .sort((a, b) => {
      if (a.value === null || b.value === null) return a.value === b.value ? 0 : a.value === null ? 1 : -1;
      return a.value < b.value ? -1 : a.value > b.value ? 1 : 0;
    })
    .map(({ one }) => one);
};

const fastestFirst = (steps: readonly WeighedStep[], facts: TargetFacts): WeighedStep[] => {
  const ordered = ascendingBy(steps, facts.firstTokenMsOf);
  const unknown = ordered.find(({ step }) => facts.firstTokenMsOf(step) === null);
  const explored =
    unknown ??
    (facts.random() < EXPLORE_SHARE ? ordered[Math.floor(facts.random() * ordered.length)] : undefined);
  if (explored === undefined) return ordered;
  return [explored, ...ordered.filter((one) => one !== explored)];
};

/** The targets in the order in which they are to be tried. */
export const orderTargets = (
  strategy: RouteStrategy,
  steps: readonly WeighedStep[],
  facts: TargetFacts,
): PlanStep[] => {
  const ordered = (): readonly WeighedStep[] => {
    switch (strategy) {
      case 'fallback':
        return steps;
      case 'weighted':
        return byWeightedDraw(steps, ({ step }) => facts.draw(nameOf(step)));
      case 'cheapest':
        return ascendingBy(steps, facts.costOf);
      case 'fastest':
        return fastestFirst(steps, facts);
    }
  };
  return ordered().map(({ step }) => step);
};

/** Why a model cannot serve a request, by what its provider lists; null where nothing speaks against it. */
export const misfitOf = (listed: ListedModel | null, needs: RequestNeeds): 'window' | 'capability' | null => {
  if (listed === null) return null;
  const { contextWindowTokens, capabilities } = listed;
  if (contextWindowTokens !== null && contextWindowTokens > 0 && needs.promptTokens > contextWindowTokens) {
    return 'window';
  }
  const lacks =
    (needs.imageInput && capabilities?.imageInput === false) ||
    (needs.tools && capabilities?.tools === false);
  return lacks ? 'capability' : null;
};

/** Leaves out what cannot serve the request; all of it stays where nothing would be left, for the provider to say. */
export const fittingTargets = (steps: readonly WeighedStep[], facts: TargetFacts): readonly WeighedStep[] => {
  const fitting = steps.filter(({ step }) => misfitOf(facts.listedOf(step), facts.needs) === null);
  return fitting.length > 0 ? fitting : steps;
};

/** What tokens in and out cost by the price book; null where it does not know the model. */
export const estimateCost = (
  rates: readonly PriceRate[],
  of: Pick<PlanStep, 'provider' | 'model'>,
  tokens: { inputTokens: number; outputTokens: number },
  atMs: number,
): bigint | null => {
  const inputTotal = BigInt(tokens.inputTokens);
  const rateOf = (component: string): bigint | null => {
    const query = {
      provider: of.provider,
      model: of.model,
      component,
      tier: STANDARD_TIER,
      inputTotal,
      atMs,
    };
    return selectRates(rates, query)[0]?.ratePicoUsd ?? null;
  };
  const [input, output] = [rateOf('input'), rateOf('output')];
  if (input === null && output === null) return null;
  return (input ?? 0n) * inputTotal + (output ?? 0n) * BigInt(tokens.outputTokens);
};
