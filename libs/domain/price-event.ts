import type { AttemptEvent } from '#contracts/attempt-event';
import type { NegotiatedRate, NegotiatedRates } from './negotiated-rate.ts';
import type { PriceBook } from './price-book.ts';
import { priceAttempt, type Pricing, type TakeVolume } from './price.ts';

/** All that prices come from, as it is at one moment. */
export type PriceTerms = { book: PriceBook; rates: NegotiatedRates };

/** Rules whose rate depends on the volume so far: only who records the event can price it by them. */
export type CountedPricing = {
  rules: readonly NegotiatedRate[];
  price: (takeVolume: TakeVolume) => Pricing;
};

export type EventPricing = {
  /** Where a volume counts, as if none had been used so far. */
  pricing: Pricing;
  counted: CountedPricing | null;
};

export const priceEvent = (event: AttemptEvent, { book, rates }: PriceTerms): EventPricing => {
  const priceWith = (takeVolume: TakeVolume) => priceAttempt(event, book, { rates, takeVolume });
  const rules = rates.counting(event);
  return {
    pricing: priceWith(() => 0n),
    counted: rules.length === 0 ? null : { rules, price: priceWith },
  };
};
