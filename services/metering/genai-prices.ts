/**
 * Reads list prices from the `@pydantic/genai-prices` package: its data only, none of its arithmetic. What
 * cannot be expressed exactly in the price book is left out, so that it shows as unpriced.
 */
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import {
  findProvider,
  type MatchLogic,
  type ModelInfo,
  type ModelPrice,
  type Provider,
} from '@pydantic/genai-prices';
import { z } from 'zod';
import { PROVIDER_IDS, type ProviderId } from '#contracts/vocabulary';
import { CACHED_AUDIO, STANDARD_TIER } from '#domain/billed-use';
import { DecimalError, ratePicoUsdFromUsdPerMillion } from '#domain/money';
import { datePatternOf } from '#domain/price-book';
import type { PriceSource, SourcePrice } from '#domain/price-change';

const PACKAGE = '@pydantic/genai-prices';
/** What the package does not date holds since ever, as far as it knows. */
const NO_KNOWN_START_MS = 0;

/**
 * The package's units by our components. Its cache write without a lifetime is the provider's default one.
 * Google alone says which cached tokens are audio.
 */
const componentsOf = (provider: ProviderId): ReadonlyMap<string, string> =>
  new Map([
    ['input_mtok', 'input'],
    ['cache_read_mtok', 'cache_read'],
    ['cache_write_mtok', provider === 'anthropic' ? 'cache_write_5m' : 'cache_write_other'],
    ['cache_write_1h_mtok', 'cache_write_1h'],
    ['input_audio_mtok', 'input_audio'],
    ['input_image_mtok', 'input_image'],
    ['output_mtok', 'output'],
    ['output_audio_mtok', 'output_audio'],
    ['output_image_mtok', 'output_image'],
    ...((provider as string) === 'google' ? ([['cache_audio_read_mtok', CACHED_AUDIO]] as const) : []),
    ['web_searches_kcount', 'web_search'],
    ['storage_searches_kcount', 'file_search'],
  ]);

/** These are listed for each thousand, everything else for each million. */
const LISTED_BY_THOUSAND = new Set(['web_searches_kcount', 'storage_searches_kcount']);

/** Cached tokens of one modality: ours are one class, so it has a rate only where these agree with it. */
const CACHE_READS_BY_MODALITY = ['cache_audio_read_mtok', 'cache_image_read_mtok'];
/** Units of hours, of which no whole pico-dollars make a second. */
const HOURS = ['audio_hours', 'input_audio_hours'];

const matches = (rule: MatchLogic, name: string): boolean => {
  if ('or' in rule) return rule.or.some((each) => matches(each, name));
  if ('and' in rule) return rule.and.every((each) => matches(each, name));
  if ('equals' in rule) return name === rule.equals;
  if ('starts_with' in rule) return name.startsWith(rule.starts_with);
  if ('ends_with' in rule) return name.endsWith(rule.ends_with);
  if ('contains' in rule) return name.includes(rule.contains);
  return new RegExp(rule.regex).test(name);
};

const spelledOut = (rule: MatchLogic): string[] => {
  if ('or' in rule) return rule.or.flatMap(spelledOut);
  return 'equals' in rule ? [rule.equals] : [];
};

const PROBE_YEARS = [2022, 2023, 2024, 2025, 2026, 2027, 2028];
/** How each provider dates its snapshots. */
const snapshotDate = (provider: ProviderId, year: number): string =>
  provider === 'anthropic' ? `${year}0514` : `${year}-05-14`;

/**
 * The exact names a model's prices are listed under: its id and the names its rule spells out, and, where
 * the rule takes dated snapshots of such a name, that name with a date pattern. Never a bare prefix, and
 * in the package's first-match order only names that lead to this very model.
 */
const namesOf = (provider: ProviderId, model: ModelInfo, models: readonly ModelInfo[]): Set<string> => {
  const isListed = (name: string) => models.find((each) => matches(each.match, name)) === model;
  const names = new Set<string>();
  for (const name of [model.id, ...spelledOut(model.match)]) {
    // A fine-tuned model's name has the account's own part in it, so the book cannot spell it out.
    if (name.startsWith('ft:') || name.endsWith('-') || !isListed(name)) continue;
    names.add(name);
    const undated = datePatternOf(name) === null ? name.replace(/-latest$/, '') : null;
    if (undated === null) continue;
    for (const year of PROBE_YEARS) {
      const snapshot = `${undated}-${snapshotDate(provider, year)}`;
      const pattern = datePatternOf(snapshot);
      if (pattern !== null && isListed(snapshot)) names.add(pattern);
    }
  }
  return names;
};

type Band = { ratePicoUsd: bigint; inputTotalMin: bigint; inputTotalMax: bigint | null };

/** A rate, or one for each range of the request's whole input: the tier it falls in prices all of it. */
const bandsOf = (price: NonNullable<ModelPrice[string]>, unitsEach: 1_000 | 1_000_000): Band[] => {
  const base = typeof price === 'number' ? price : price.base;
  const tiers = typeof price === 'number' ? [] : price.tiers.toSorted((a, b) => a.start - b.start);
  const steps = [
    { from: 0n, rate: base },
    // The package selects a tier when the count is greater than its start.
    ...tiers.map((tier) => ({ from: BigInt(tier.start) + 1n, rate: tier.price })),
  ];
  return steps.map((step, index) => {
    const next = steps[index + 1];
    return {
      // A JavaScript number's shortest text is the decimal the data was written with.
      ratePicoUsd: ratePicoUsdFromUsdPerMillion(String(step.rate)) * BigInt(1_000_000 / unitsEach),
      inputTotalMin: step.from,
      inputTotalMax: next === undefined ? null : next.from - 1n,
    };
  });
};

/** The bands of each class; empty where a unit is one we do not know, which might change the others. */
const readComponents = (provider: ProviderId, prices: ModelPrice): Map<string, Band[]> => {
  const components = componentsOf(provider);
  const read = new Map<string, Band[]>();
  for (const [unit, price] of Object.entries(prices)) {
    const component = components.get(unit);
    if (price === undefined || HOURS.includes(unit)) continue;
    if (component === undefined && CACHE_READS_BY_MODALITY.includes(unit)) continue;
    if (component === undefined) return new Map();
    try {
      read.set(component, bandsOf(price, LISTED_BY_THOUSAND.has(unit) ? 1_000 : 1_000_000));
    } catch (error) {
      if (!(error instanceof DecimalError)) throw error;
    }
  }
  const cacheReadsAgree = CACHE_READS_BY_MODALITY.every(
    (unit) =>
      components.has(unit) || prices[unit] === undefined || prices[unit] === prices['cache_read_mtok'],
  );
  if (!cacheReadsAgree) read.delete('cache_read');
  return read;
};

type DayMinutes = SourcePrice['dayMinutes'];
type Period = { fromMs: number; toMs: number | null; dayMinutes: DayMinutes; prices: ModelPrice };

/** `00:30:00Z` → 30; null for what is no whole minute of a UTC day. */
const minuteOf = (text: string): number | null => {
  const match = /^([01]\d|2[0-3]):([0-5]\d):00(?:Z|\+00:00)$/.exec(text);
  return match === null ? null : Number(match[1]) * 60 + Number(match[2]);
};

/** A model's prices over time, or over the day; null where they depend on both, or in an unknown way. */
const periodsOf = (model: ModelInfo): Period[] | null => {
  const always = { fromMs: NO_KNOWN_START_MS, toMs: null, dayMinutes: null };
  if (!Array.isArray(model.prices)) return [{ ...always, prices: model.prices }];
  const kinds = new Set(model.prices.flatMap(({ constraint }) => constraint?.type ?? []));
  if (kinds.size > 1) return null;
  const periods: Period[] = [];
  for (const { constraint, prices } of model.prices) {
    if (constraint === undefined) periods.push({ ...always, prices });
    else if (constraint.type === 'start_date') {
      periods.push({ ...always, fromMs: Date.parse(constraint.start_date), prices });
    } else {
      const from = minuteOf(constraint.start_time);
      const to = minuteOf(constraint.end_time);
      if (from === null || to === null) return null;
      periods.push({ ...always, dayMinutes: { from, to }, prices });
    }
  }
  if (kinds.has('time_of_date')) return periods;
  periods.sort((a, b) => a.fromMs - b.fromMs);
  periods.forEach((period, index) => (period.toMs = periods[index + 1]?.fromMs ?? null));
  return periods;
};

/** `family`: the model as the package names it, whatever else it lists its prices under. */
export type FamilyPrice = SourcePrice & { family: string };

const readProvider = (id: ProviderId, provider: Provider): FamilyPrice[] => {
  const read: FamilyPrice[] = [];
  for (const model of provider.models) {
    for (const { fromMs, toMs, dayMinutes, prices } of periodsOf(model) ?? []) {
      const components = readComponents(id, prices);
      for (const name of namesOf(id, model, provider.models)) {
        for (const [component, bands] of components) {
          for (const band of bands) {
            read.push({
              family: model.id,
              provider: id,
              model: name,
              component,
              tier: STANDARD_TIER,
              region: '',
              ...band,
              quantityFrom: 0n,
              quantityTo: null,
              dayMinutes,
              effectiveFromMs: fromMs,
              effectiveToMs: toMs,
              reference: provider.pricing_urls?.[0] ?? null,
            });
          }
        }
      }
    }
  }
  return read;
};

/** Every rate of the source as text in a fixed order, hashed. */
export const hashPrices = (prices: readonly SourcePrice[]): string =>
  createHash('sha256')
    .update(JSON.stringify(prices, (_, value) => (typeof value === 'bigint' ? String(value) : value)))
    .digest('hex');

/** The list prices of every provider the package knows, with its version and a hash of what was read. */
export const readGenaiPrices = (): PriceSource & { prices: readonly FamilyPrice[] } => {
  const manifest: unknown = JSON.parse(
    readFileSync(new URL('../package.json', import.meta.resolve(PACKAGE)), 'utf8'),
  );
  const prices = PROVIDER_IDS.flatMap((id) => {
    const provider = findProvider({ providerId: id });
    // It finds what an id begins with too: openai_compatible is not OpenAI, and costs what its server costs.
    return provider?.id === id ? readProvider(id, provider) : [];
  });
  return {
    name: PACKAGE,
    version: z.object({ version: z.string() }).parse(manifest).version,
    hash: hashPrices(prices),
    prices,
  };
};
