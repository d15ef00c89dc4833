import type { PriceRate } from '#domain/price-book';

/** A rate of the price book that holds always, everywhere and for any quantity, but for what is given. */
export const priceRateOf = (changes: Partial<PriceRate> = {}): PriceRate => ({
  id: 1n,
  provider: 'openai',
  model: 'm',
  component: 'input',
  tier: 'standard',
  region: '',
  ratePicoUsd: 1n,
  inputTotalMin: 0n,
  inputTotalMax: null,
  quantityFrom: 0n,
  quantityTo: null,
  dayMinutes: null,
  effectiveFromMs: 0,
  effectiveToMs: null,
  ...changes,
});
