/** What another price makes of an attempt that has been charged already. Pure. */
import type { AttemptEvent } from '#contracts/attempt-event';
import { ENTRY_MEASURES, usageEntryOf, type UsageEntry } from './usage-entry.ts';
import type { Charge, Pricing } from './price.ts';

/** A charge as it stands; `number` is its own among the attempt's. */
export type StandingCharge = Charge & { number: number };

/** How an attempt stands in the ledger, all adjustments included. */
export type Standing = {
  pricing: string;
  costPicoUsd: bigint;
  listCostPicoUsd: bigint;
  /** Those that are not reversed. */
  charges: readonly StandingCharge[];
};

export type RepricedAttempt = {
  /** What the adjustment adds to the sums: no tokens, no attempts, the difference of the money. */
  entry: UsageEntry;
  /** The new charges; those before are all reversed. */
  charges: readonly Charge[];
  reversed: readonly StandingCharge[];
  costDeltaPicoUsd: bigint;
};

const sameCharge = (a: Charge, b: Charge | undefined): boolean =>
  b !== undefined &&
  a.component === b.component &&
  a.payee === b.payee &&
  a.quantity === b.quantity &&
  a.listRatePicoUsd === b.listRatePicoUsd &&
  a.ratePicoUsd === b.ratePicoUsd &&
  a.rateId === b.rateId &&
  a.volumeFrom === b.volumeFrom;

const MONEY = ENTRY_MEASURES.map((measure) => measure.endsWith('_pico_usd'));
const STATES = ENTRY_MEASURES.map(
  (measure) => measure === 'unpriced_attempts' || measure === 'unknown_attempts',
);

/** Null when nothing changes. The tier stays what it was recorded as, since sums are kept by it. */
export const repricedAttempt = (
  event: AttemptEvent,
  tier: string,
  standing: Standing,
  pricing: Pricing,
): RepricedAttempt | null => {
  const { charges } = pricing;
  const unchanged =
    standing.pricing === pricing.kind &&
    standing.charges.length === charges.length &&
    charges.every((charge, index) => sameCharge(charge, standing.charges[index]));
  if (unchanged) return null;
  const before = usageEntryOf(event, { ...standing, kind: standing.pricing, tier });
  const after = usageEntryOf(event, { ...pricing, tier });
  const measures = after.measures.map((measure, index) =>
    MONEY[index] === true || STATES[index] === true
      ? BigInt(measure) - BigInt(before.measures[index] ?? 0)
      : 0n,
  );
  return {
    entry: { ...after, measures },
    charges,
    reversed: standing.charges,
    costDeltaPicoUsd: (pricing.costPicoUsd ?? 0n) - standing.costPicoUsd,
  };
};
