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
import type { TokenClass } from '#contracts/usage';
import { PROVIDER_IDS, type ProviderId } from '#contracts/vocabulary';
import { DecimalError, ratePicoUsdFromUsdPerMillion } from '#domain/money';
import { datePatternOf } from '#domain/price-book';
import { STANDARD_TIER } from '#domain/price';
import type { PriceSource, SourcePrice } from '#postgres/price-seed';

const PACKAGE = '@pydantic/genai-prices';
/** What the package does not date holds since ever, as far as it knows. */
const NO_KNOWN_START_MS = 0;

/** The package's units by our token classes. Its cache write without a lifetime is the provider's default one. */
const componentsOf = (provider: ProviderId): ReadonlyMap<string, TokenClass> =>
  new Map<string, TokenClass>([
    ['input_mtok', 'input'],
    ['cache_read_mtok', 'cache_read'],
    ['cache_write_mtok', provider === 'anthropic' ? 'cache_write_5m' : 'cache_write_other'],
    ['cache_write_1h_mtok', 'cache_write_1h'],
    ['input_audio_mtok', 'input_audio'],
    ['input_image_mtok', 'input_image'],
    ['output_mtok', 'output'],
    ['output_audio_mtok', 'output_audio'],
    ['output_image_mtok', 'output_image'],
  ]);

/** Cached tokens of one modality: ours are one class, so it has a rate only where these agree with it. */
const CACHE_READS_BY_MODALITY = ['cache_audio_read_mtok', 'cache_image_read_mtok'];
/** Units of calls and hours, which no token class is counted in. */
const NOT_TOKENS = ['web_searches_kcount', 'storage_searches_kcount', 'audio_hours', 'input_audio_hours'];

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
const bandsOf = (price: NonNullable<ModelPrice[string]>): Band[] => {
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
      ratePicoUsd: ratePicoUsdFromUsdPerMillion(String(step.rate)),
      inputTotalMin: step.from,
      inputTotalMax: next === undefined ? null : next.from - 1n,
    };
  });
};

/** The bands of each class; empty where a unit is one we do not know, which might change the others. */
const readComponents = (provider: ProviderId, prices: ModelPrice): Map<TokenClass, Band[]> => {
  const components = componentsOf(provider);
  const read = new Map<TokenClass, Band[]>();
  for (const [unit, price] of Object.entries(prices)) {
    if (price === undefined || NOT_TOKENS.includes(unit) || CACHE_READS_BY_MODALITY.includes(unit)) continue;
    const component = components.get(unit);
    if (component === undefined) return new Map();
    try {
      read.set(component, bandsOf(price));
    } catch (error) {
      if (!(error instanceof DecimalError)) throw error;
    }
  }
  const cacheReadsAgree = CACHE_READS_BY_MODALITY.every(
    (unit) => prices[unit] === undefined || prices[unit] === prices['cache_read_mtok'],
  );
  if (!cacheReadsAgree) read.delete('cache_read');
  return read;
};

type Period = { fromMs: number; toMs: number | null; prices: ModelPrice };

/** A model's prices over time; null where they also depend on the hour of the day. */
const periodsOf = (model: ModelInfo): Period[] | null => {
  if (!Array.isArray(model.prices)) return [{ fromMs: NO_KNOWN_START_MS, toMs: null, prices: model.prices }];
  const periods: Period[] = [];
  for (const { constraint, prices } of model.prices) {
    if (constraint?.type === 'time_of_date') return null;
    const fromMs = constraint === undefined ? NO_KNOWN_START_MS : Date.parse(constraint.start_date);
    periods.push({ fromMs, toMs: null, prices });
  }
  periods.sort((a, b) => a.fromMs - b.fromMs);
  periods.forEach((period, index) => (period.toMs = periods[index + 1]?.fromMs ?? null));
  return periods;
};

const readProvider = (id: ProviderId, provider: Provider): SourcePrice[] => {
  const read: SourcePrice[] = [];
  for (const model of provider.models) {
    for (const { fromMs, toMs, prices } of periodsOf(model) ?? []) {
      const components = readComponents(id, prices);
      for (const name of namesOf(id, model, provider.models)) {
        for (const [component, bands] of components) {
          for (const band of bands) {
            read.push({
              provider: id,
              model: name,
              component,
              tier: STANDARD_TIER,
              ...band,
              effectiveFromMs: fromMs,
              effectiveToMs: toMs,
            });
          }
        }
      }
    }
  }
  return read;
};

/** The list prices of every provider the package knows, with its version and a hash of what was read. */
export const readGenaiPrices = (): PriceSource => {
  const manifest: unknown = JSON.parse(
    readFileSync(new URL('../package.json', import.meta.resolve(PACKAGE)), 'utf8'),
  );
  const hash = createHash('sha256');
  const prices: SourcePrice[] = [];
  for (const id of PROVIDER_IDS) {
    const provider = findProvider({ providerId: id });
    if (provider === undefined) continue;
    hash.update(
      JSON.stringify(provider.models.map(({ id: name, match, prices: listed }) => [name, match, listed])),
    );
    prices.push(...readProvider(id, provider));
  }
  return {
    name: PACKAGE,
    version: z.object({ version: z.string() }).parse(manifest).version,
    hash: hash.digest('hex'),
    prices,
  };
};
