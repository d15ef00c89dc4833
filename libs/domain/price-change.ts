/** What a new reading of a source of prices changes in the book. Pure: it decides, the store applies. */
import type { ProviderId } from '#contracts/vocabulary';

/** One rate as a source lists it; see `PriceRate` for the fields. */
export type SourcePrice = {
  provider: ProviderId;
  model: string;
  component: string;
  tier: string;
  region: string;
  ratePicoUsd: bigint;
  inputTotalMin: bigint;
  inputTotalMax: bigint | null;
  quantityFrom: bigint;
  quantityTo: bigint | null;
  dayMinutes: { from: number; to: number } | null;
  /** Unix milliseconds, the end exclusive. */
  effectiveFromMs: number;
  effectiveToMs: number | null;
  /** What the source itself refers to, or how the rate was derived. */
  reference: string | null;
};

/** Prices as some source lists them now; the rows of one key (see `priceKeyOf`) do not overlap in time. */
export type PriceSource = {
  name: string;
  version: string;
  /** SHA-256 of what was read, hex. */
  hash: string;
  prices: readonly SourcePrice[];
};

/** What must be the same for one rate to follow on another. */
export const priceKeyOf = (
  row: Pick<
    SourcePrice,
    'model' | 'component' | 'tier' | 'region' | 'inputTotalMin' | 'quantityFrom' | 'dayMinutes'
  > & { provider: string },
): string =>
  JSON.stringify([
    row.provider,
    row.model,
    row.component,
    row.tier,
    row.region,
    String(row.inputTotalMin),
    String(row.quantityFrom),
    row.dayMinutes?.from ?? null,
  ]);

/** A rate of the book with what the key leaves out. */
export type StoredInterval = {
  id: bigint;
  source: string;
  ratePicoUsd: bigint;
  inputTotalMax: bigint | null;
  quantityTo: bigint | null;
  dayMinuteTo: number | null;
  fromMs: number;
  toMs: number | null;
};

type Interval = Omit<StoredInterval, 'id' | 'source'>;

const intervalOf = (price: SourcePrice): Interval => ({
  ratePicoUsd: price.ratePicoUsd,
  inputTotalMax: price.inputTotalMax,
  quantityTo: price.quantityTo,
  dayMinuteTo: price.dayMinutes?.to ?? null,
  fromMs: price.effectiveFromMs,
  toMs: price.effectiveToMs,
});

const inForceAt = <Row extends Interval>(intervals: readonly Row[], atMs: number): Row | undefined =>
  intervals.find(({ fromMs, toMs }) => fromMs <= atMs && (toMs === null || atMs < toMs));

const sameRate = (a: Interval | undefined, b: Interval | undefined): boolean =>
  a?.ratePicoUsd === b?.ratePicoUsd &&
  a?.inputTotalMax === b?.inputTotalMax &&
  a?.quantityTo === b?.quantityTo &&
  a?.dayMinuteTo === b?.dayMinuteTo;

/** The first moment from `nowMs` on at which the two say something different; null when they never do. */
const firstDifferenceMs = (
  stored: readonly Interval[],
  listed: readonly Interval[],
  nowMs: number,
): number | null => {
  const moments = [...stored, ...listed]
    .flatMap(({ fromMs, toMs }) => (toMs === null ? [fromMs] : [fromMs, toMs]))
    .filter((moment) => moment > nowMs);
  const ordered = [nowMs, ...moments].sort((a, b) => a - b);
  return ordered.find((moment) => !sameRate(inForceAt(stored, moment), inForceAt(listed, moment))) ?? null;
};

export type PriceChange = {
  /** The rate that ends at `atMs`. */
  closeId: bigint | null;
  /** Rates that have not begun and never will. */
  removeIds: bigint[];
  insert: SourcePrice[];
  atMs: number;
  /** The rate in force before and after; null where there is none. */
  oldRatePicoUsd: bigint | null;
  newRatePicoUsd: bigint | null;
};

/**
 * What to do about one key so that from `nowMs` on the book says what the source lists; null for nothing.
 * What the source no longer lists stays in force.
 */
export const priceChangeOf = (
  sourceName: string,
  stored: readonly StoredInterval[],
  prices: readonly SourcePrice[],
  nowMs: number,
): PriceChange | null => {
  // A rate that somebody else put into the book is theirs to change.
  if (stored.some((interval) => interval.source !== sourceName)) return null;
  const listed = prices.map(intervalOf);
  if (stored.length === 0) {
    return {
      closeId: null,
      removeIds: [],
      insert: [...prices],
      atMs: nowMs,
      oldRatePicoUsd: null,
      newRatePicoUsd: inForceAt(listed, nowMs)?.ratePicoUsd ?? null,
    };
  }
  const atMs = firstDifferenceMs(stored, listed, nowMs);
  if (atMs === null) return null;
  const open = inForceAt(stored, atMs);
  return {
    closeId: open !== undefined && open.fromMs < atMs ? open.id : null,
    removeIds: stored.filter((interval) => interval.fromMs >= atMs).map((interval) => interval.id),
    insert: prices
      .filter((price) => price.effectiveToMs === null || price.effectiveToMs > atMs)
      .map((price) => ({ ...price, effectiveFromMs: Math.max(price.effectiveFromMs, atMs) })),
    atMs,
    oldRatePicoUsd: open?.ratePicoUsd ?? null,
    newRatePicoUsd: inForceAt(listed, atMs)?.ratePicoUsd ?? null,
  };
};

/**
 * Whether a change may be made without a person: a rate for what had none takes nothing back that anyone
 * was charged by; any other may move by so many percent at most.
 */
export const isWithinBound = (change: PriceChange, percentMax: number): boolean => {
  const { oldRatePicoUsd: old, newRatePicoUsd: next } = change;
  if (old === null && change.closeId === null && change.removeIds.length === 0) return true;
  if (old === null || next === null) return false;
  const moved = old > next ? old - next : next - old;
  return Number(moved) * 100 <= Number(old) * percentMax;
};
