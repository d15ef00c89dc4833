import type { AttemptEvent } from '#contracts/attempt-event';
import { TOKEN_CLASSES, type TokenClass } from '#contracts/usage';

/** What usage is summed by. A tag or an end user has too many values to keep sums for each. */
export const ENTRY_DIMENSIONS = [
  'tenant_id',
  'api_key_id',
  'provider_key_id',
  'provider',
  'model',
  'route',
  'lane',
  'surface',
  'team',
  'feature',
  'outcome',
  'price_tier',
] as const;
export type EntryDimension = (typeof ENTRY_DIMENSIONS)[number];

type TokenMeasure = `${TokenClass}_tokens`;
const TOKEN_MEASURES = TOKEN_CLASSES.map((token): TokenMeasure => `${token}_tokens`);

/** What is summed. `cost` is contracted; an estimated cost is a part of the cost beside it. */
export const ENTRY_MEASURES = [
  'requests',
  'attempts',
  'unpriced_attempts',
  'unknown_attempts',
  ...TOKEN_MEASURES,
  'reasoning_tokens',
  'cost_pico_usd',
  'list_cost_pico_usd',
  'estimated_cost_pico_usd',
  'estimated_list_cost_pico_usd',
] as const;

/** A number only where it is a safe integer. */
export type Whole = bigint | number;

/** Exact, however large. */
export const addWhole = (a: Whole, b: Whole): Whole => {
  if (typeof a === 'number' && typeof b === 'number') {
    const sum = a + b;
    if (Number.isSafeInteger(sum)) return sum;
  }
  return BigInt(a) + BigInt(b);
};

/** In the order of `ENTRY_DIMENSIONS` and `ENTRY_MEASURES`. */
export type UsageEntry = {
  /** Unix milliseconds. */
  startedAtMs: number;
  dimensions: readonly (string | null)[];
  measures: readonly Whole[];
};

/** Figures of our own, or the provider's only up to where an answer broke off. */
const isEstimate = (event: AttemptEvent): boolean =>
  event.usage.source === 'estimated' || event.usage.source === 'provider_partial';

/** How an attempt is priced, as far as the sums go. */
export type PricedState = {
  tier: string;
  kind: string;
  costPicoUsd: bigint | null;
  listCostPicoUsd: bigint | null;
};

const flag = (value: boolean): number => (value ? 1 : 0);
const count = (value: number | undefined): Whole =>
  value === undefined || Number.isSafeInteger(value) ? (value ?? 0) : BigInt(value);

/**
 * What one recorded attempt adds to every sum. A request is counted where its first attempt is, so that
 * requests add up over any grouping as exactly as money does.
 */
export const usageEntryOf = (event: AttemptEvent, pricing: PricedState): UsageEntry => {
  const { tokens, reasoning } = event.usage;
  const cost = pricing.costPicoUsd ?? 0;
  const listCost = pricing.listCostPicoUsd ?? 0;
  const estimated = isEstimate(event);
  return {
    startedAtMs: event.startedAtMs,
    dimensions: [
      event.tenantId,
      event.apiKeyId,
      event.providerKeyId,
      event.provider,
      event.model,
      event.route,
      event.lane,
      event.surface,
      event.attribution.team ?? null,
      event.attribution.feature ?? null,
      event.outcome,
      pricing.tier,
    ],
    measures: [
      flag(event.attemptNumber === 1),
      1,
      flag(pricing.kind === 'unpriced'),
      flag(pricing.kind === 'unknown'),
      ...TOKEN_CLASSES.map((token) => count(tokens[token])),
      count(reasoning),
      cost,
      listCost,
      estimated ? cost : 0,
      estimated ? listCost : 0,
    ],
  };
};
