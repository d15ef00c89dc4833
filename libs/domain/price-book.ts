import type { TokenClass } from '#contracts/usage';
import type { ProviderId } from '#contracts/vocabulary';

/** One rate of the price book, with the conditions it holds under. */
export type PriceRate = {
  /** The row's id in the store; every charge names it. */
  id: bigint;
  provider: string;
  /** A model's exact name, or one that ends in a date pattern (see `datePatternOf`). */
  model: string;
  component: string;
  tier: string;
  ratePicoUsd: bigint;
  /** The rate holds while all input tokens of the request together are within these, both inclusive. */
  inputTotalMin: bigint;
  inputTotalMax: bigint | null;
  /** Unix milliseconds, the end exclusive; null while it is in force. */
  effectiveFromMs: number;
  effectiveToMs: number | null;
};

export type PriceQuery = {
  provider: ProviderId;
  model: string;
  component: TokenClass;
  tier: string;
  inputTotal: bigint;
  /** Unix milliseconds. */
  atMs: number;
};

const DATE_PATTERNS = [
  { pattern: 'YYYYMMDD', date: /-20\d{2}(?:0[1-9]|1[0-2])(?:0[1-9]|[12]\d|3[01])$/ },
  { pattern: 'YYYY-MM-DD', date: /-20\d{2}-(?:0[1-9]|1[0-2])-(?:0[1-9]|[12]\d|3[01])$/ },
];

/**
 * `claude-haiku-4-5-20251001` → `claude-haiku-4-5-YYYYMMDD`, null for a name that ends in no date. The
 * book holds such a row only where the source of the prices says that dated snapshots of the model cost
 * the same.
 */
export const datePatternOf = (model: string): string | null => {
  for (const { pattern, date } of DATE_PATTERNS) {
    if (date.test(model)) return model.replace(date, `-${pattern}`);
  }
  return null;
};

const isDatePattern = (model: string): boolean =>
  DATE_PATTERNS.some(({ pattern }) => model.endsWith(`-${pattern}`));

const inForce = (rate: PriceRate, atMs: number): boolean =>
  rate.effectiveFromMs <= atMs && (rate.effectiveToMs === null || atMs < rate.effectiveToMs);

/** All rates at one moment of the store, in memory; never changed once built. */
export class PriceBook {
  readonly #rates = new Map<string, Map<string, PriceRate[]>>();
  readonly size: number;

  constructor(rates: readonly PriceRate[]) {
    this.size = rates.length;
    for (const rate of rates) {
      let models = this.#rates.get(rate.provider);
      if (models === undefined) this.#rates.set(rate.provider, (models = new Map()));
      const known = models.get(rate.model);
      if (known === undefined) models.set(rate.model, [rate]);
      else known.push(rate);
    }
  }

  /** The rows under the exact name, else those under its date pattern. */
  #rowsOf(provider: ProviderId, model: string, atMs: number): PriceRate[] {
    const models = this.#rates.get(provider);
    const exact = models?.get(model)?.filter((rate) => inForce(rate, atMs)) ?? [];
    if (exact.length > 0) return exact;
    const pattern = datePatternOf(model);
    if (pattern === null) return [];
    return models?.get(pattern)?.filter((rate) => inForce(rate, atMs)) ?? [];
  }

  /** All rates in force then: under the exact name, else under its date pattern. */
  ratesOf(provider: ProviderId, model: string, atMs: number): readonly PriceRate[] {
    return this.#rowsOf(provider, model, atMs);
  }

  /** Whether the book has any rate for this model then. */
  lists(provider: ProviderId, model: string, atMs: number): boolean {
    return this.#rowsOf(provider, model, atMs).length > 0;
  }

  /** The one rate that holds, null when there is none. Of two that overlap, the later one. */
  find(query: PriceQuery): PriceRate | null {
    let found: PriceRate | null = null;
    for (const rate of this.#rowsOf(query.provider, query.model, query.atMs)) {
      if (rate.component !== query.component || rate.tier !== query.tier) continue;
      if (query.inputTotal < rate.inputTotalMin) continue;
      if (rate.inputTotalMax !== null && query.inputTotal > rate.inputTotalMax) continue;
      if (found === null || rate.effectiveFromMs > found.effectiveFromMs) found = rate;
    }
    return found;
  }

  /** The names of the provider's models, sorted, without those that are only date patterns. */
  listedModels(provider: ProviderId, atMs: number): string[] {
    const models = this.#rates.get(provider) ?? new Map<string, PriceRate[]>();
    const listed: string[] = [];
    for (const [model, rates] of models) {
      if (!isDatePattern(model) && rates.some((rate) => inForce(rate, atMs))) listed.push(model);
    }
    return listed.sort();
  }
}
