import { STANDARD_TIER } from '#domain/billed-use';
import { multiplyRate, ratePicoUsdFromUsdPerMillion } from '#domain/money';
import { priceKeyOf, type PriceSource, type SourcePrice } from '#domain/price-change';
import { hashPrices, readGenaiPrices, type FamilyPrice } from './genai-prices.ts';
import {
  ALIKE_RATES,
  CALL_RATES,
  DERIVED_RATES,
  LISTED_RATES,
  SUPPLEMENT_VERSION,
  type AlikeRates,
  type CallRates,
  type DerivedRates,
  type ListedRates,
} from './price-supplement.ts';

const CALLS: readonly string[] = ['web_search', 'file_search'];
const THOUSANDS_OF_A_MILLION = 1_000n;

const plain = (price: FamilyPrice): SourcePrice => {
  const { family: _family, ...rest } = price;
  return rest;
};

const isOf = (rule: { provider: string; families: readonly string[] | null }, price: FamilyPrice): boolean =>
  rule.provider === price.provider && (rule.families?.includes(price.family) ?? true);

/** Each multiplied rate is rounded once, half to even. Calls cost the same in every tier and region. */
const derived = (rule: DerivedRates, base: readonly FamilyPrice[]): SourcePrice[] => {
  const sinceMs = rule.since === null ? 0 : Date.parse(rule.since);
  return base
    .filter((price) => isOf(rule, price) && !CALLS.includes(price.component))
    .filter((price) => rule.components?.includes(price.component) ?? true)
    .filter((price) => price.effectiveToMs === null || price.effectiveToMs > sinceMs)
    .map((price) => ({
      ...plain(price),
      tier: rule.tier,
      region: rule.region,
      ratePicoUsd: multiplyRate(price.ratePicoUsd, rule.multiplier),
      effectiveFromMs: Math.max(price.effectiveFromMs, sinceMs),
      reference: `${rule.multiplier} × standard; ${rule.reference}`,
    }));
};

const alike = ({ component, costsAs, reference, ...rule }: AlikeRates, base: readonly FamilyPrice[]) =>
  base
    .filter((price) => isOf(rule, price) && price.component === costsAs)
    .map((price) => ({ ...price, component, reference }));

/** The names of a rule's families, each once, as a rate for all times and lengths. */
const namesOf = (
  rule: { provider: string; families: readonly string[] | null },
  base: readonly FamilyPrice[],
): SourcePrice[] => {
  const inputs = base.filter((price) => isOf(rule, price) && price.component === 'input');
  return [...new Map(inputs.map((price) => [price.model, price])).values()].map((price) => ({
    ...plain(price),
    inputTotalMin: 0n,
    inputTotalMax: null,
    dayMinutes: null,
    effectiveFromMs: 0,
    effectiveToMs: null,
  }));
};

const listed = ({ family, ...rule }: ListedRates, base: readonly FamilyPrice[]): SourcePrice[] => {
  const rates = { input: rule.input, cache_read: rule.cacheRead, output: rule.output };
  return namesOf({ provider: rule.provider, families: [family] }, base).flatMap((price) =>
    Object.entries(rates).map(([component, usdPerMillion]) => ({
      ...price,
      component,
      tier: rule.tier,
      ratePicoUsd: ratePicoUsdFromUsdPerMillion(usdPerMillion),
      reference: rule.reference,
    })),
  );
};

const calls = (rule: CallRates, base: readonly FamilyPrice[]): SourcePrice[] =>
  namesOf(rule, base).map((price) => ({
    ...price,
    component: rule.component,
    tier: STANDARD_TIER,
    ratePicoUsd: ratePicoUsdFromUsdPerMillion(rule.usdPerThousand) * THOUSANDS_OF_A_MILLION,
    reference: rule.reference,
  }));

/** A rule for some families may say more of a rate than one for all; the last one that does counts. */
const lastOfEach = (prices: readonly SourcePrice[]): SourcePrice[] => [
  ...new Map(prices.map((price) => [`${priceKeyOf(price)}${price.effectiveFromMs}`, price])).values(),
];

const readSupplement = (base: readonly FamilyPrice[]): PriceSource => {
  const known = ALIKE_RATES.flatMap((rule) => alike(rule, base));
  const prices = lastOfEach([
    ...known.map(plain),
    ...DERIVED_RATES.flatMap((rule) => derived(rule, [...base, ...known])),
    ...LISTED_RATES.flatMap((rule) => listed(rule, base)),
    ...CALL_RATES.flatMap((rule) => calls(rule, base)),
  ]);
  return { name: 'flo2-supplement', version: SUPPLEMENT_VERSION, hash: hashPrices(prices), prices };
};

/** Everything the price book is seeded from. */
export const readPriceSources = (): PriceSource[] => {
  const genai = readGenaiPrices();
  return [{ ...genai, prices: genai.prices.map(plain) }, readSupplement(genai.prices)];
};
