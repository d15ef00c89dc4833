import type { ProviderId } from '#contracts/vocabulary';

/** One rate of the price book, with the conditions it holds under. */
export type PriceRate = {
  /** The row's id in the store; every charge names it. */
  id: bigint;
  provider: string;
  /** A model's exact name, or one that ends in a date pattern (see `datePatternOf`). */
  model: string;
  /** A token class, or what is counted otherwise (see `billed-use.ts`). */
  component: string;
  tier: string;
  /** Where the provider computes, in its own word; empty for anywhere. */
  region: string;
  /** Pico-dollars per unit. */
  ratePicoUsd: bigint;
  /** The rate holds while all input tokens of the request together are within these, both inclusive. */
  inputTotalMin: bigint;
  inputTotalMax: bigint | null;
  /** Of the component's units in the request, the rate prices those after the first `quantityFrom`, up to `quantityTo`. */
  quantityFrom: bigint;
  quantityTo: bigint | null;
  /** From this minute of the UTC day to that, the end exclusive and perhaps past midnight; null for all day. */
  dayMinutes: { from: number; to: number } | null;
  /** Unix milliseconds, the end exclusive; null while it is in force. */
  effectiveFromMs: number;
  effectiveToMs: number | null;
};

export type PriceQuery = {
  provider: ProviderId;
  model: string;
  component: string;
  tier: string;
  /** @default anywhere */
  region?: string;
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

const MINUTE_MS = 60_000;
const MINUTES_OF_DAY = 1_440;

const holdsAtMinute = ({ dayMinutes }: PriceRate, atMs: number): boolean => {
  if (dayMinutes === null) return true;
  const minute = Math.floor(atMs / MINUTE_MS) % MINUTES_OF_DAY;
  const { from, to } = dayMinutes;
  return from < to ? from <= minute && minute < to : from <= minute || minute < to;
};

const holds = (rate: PriceRate, query: PriceQuery): boolean =>
  rate.component === query.component &&
  rate.tier === query.tier &&
  rate.region === (query.region ?? '') &&
  query.inputTotal >= rate.inputTotalMin &&
  (rate.inputTotalMax === null || query.inputTotal <= rate.inputTotalMax) &&
  holdsAtMinute(rate, query.atMs);

/** One name's rates. Of those in force the last answer is kept with how long it holds: events come in the order of time. */
class NamedRates {
  readonly all: PriceRate[] = [];
  #fromMs = 0;
  #toMs = 0;
  #inForce: readonly PriceRate[] = [];

  inForce(atMs: number): readonly PriceRate[] {
    if (atMs >= this.#fromMs && atMs < this.#toMs) return this.#inForce;
    let fromMs = -Infinity;
    let toMs = Infinity;
    for (const { effectiveFromMs, effectiveToMs } of this.all) {
      for (const turnMs of [effectiveFromMs, effectiveToMs ?? Infinity]) {
        if (turnMs <= atMs) fromMs = Math.max(fromMs, turnMs);
        else toMs = Math.min(toMs, turnMs);
      }
    }
    [this.#fromMs, this.#toMs] = [fromMs, toMs];
    this.#inForce = this.all.filter((rate) => inForce(rate, atMs));
    return this.#inForce;
  }
}

const NO_RATES: readonly PriceRate[] = [];

/** All rates at one moment of the store, in memory; what it answers never changes. */
export class PriceBook {
  readonly #rates = new Map<string, Map<string, NamedRates>>();
  readonly size: number;

  constructor(rates: readonly PriceRate[]) {
    this.size = rates.length;
    for (const rate of rates) {
      let models = this.#rates.get(rate.provider);
      if (models === undefined) this.#rates.set(rate.provider, (models = new Map()));
      let named = models.get(rate.model);
      if (named === undefined) models.set(rate.model, (named = new NamedRates()));
      named.all.push(rate);
    }
  }

  /** All rates in force of a model: those under its exact name, else those under its date pattern. */
  ratesOf(provider: ProviderId, model: string, atMs: number): readonly PriceRate[] {
    const models = this.#rates.get(provider);
    const exact = models?.get(model)?.inForce(atMs) ?? NO_RATES;
    if (exact.length > 0) return exact;
    const pattern = datePatternOf(model);
    return (pattern === null ? undefined : models?.get(pattern)?.inForce(atMs)) ?? NO_RATES;
  }

  /** Whether the book has any rate for this model then. */
  lists(provider: ProviderId, model: string, atMs: number): boolean {
    return this.ratesOf(provider, model, atMs).length > 0;
  }

  /**
   * The rates that price the component's units one after the other, the first units first; empty when there
   * are none. A rate for some hours of the day goes before one for all of it, then the later of two.
   */
  findAll(query: PriceQuery): PriceRate[] {
    return selectRates(this.ratesOf(query.provider, query.model, query.atMs), query);
  }

  /** The one rate that holds for the first unit, null when there is none. */
  find(query: PriceQuery): PriceRate | null {
    return this.findAll(query)[0] ?? null;
  }

  /** The names of the provider's models, sorted, without those that are only date patterns. */
  listedModels(provider: ProviderId, atMs: number): string[] {
    const listed: string[] = [];
    for (const [model, rates] of this.#rates.get(provider) ?? []) {
      if (!isDatePattern(model) && rates.inForce(atMs).length > 0) listed.push(model);
    }
    return listed.sort();
  }
}

const goesBefore = (rate: PriceRate, other: PriceRate): boolean => {
  if ((rate.dayMinutes === null) !== (other.dayMinutes === null)) return rate.dayMinutes !== null;
  return rate.effectiveFromMs > other.effectiveFromMs;
};

/** `findAll` over rates that `ratesOf` has given. */
export const selectRates = (rates: readonly PriceRate[], query: PriceQuery): PriceRate[] => {
  const found: PriceRate[] = [];
  for (const rate of rates) {
    if (!holds(rate, query)) continue;
    const index =
      found.length === 0 ? -1 : found.findIndex((other) => other.quantityFrom === rate.quantityFrom);
    const rival = found[index];
    if (rival === undefined) found.push(rate);
    else if (goesBefore(rate, rival)) found[index] = rate;
  }
  return found.length < 2 ? found : found.sort((a, b) => (a.quantityFrom < b.quantityFrom ? -1 : 1));
};
