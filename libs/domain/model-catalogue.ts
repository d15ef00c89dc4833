import type { ProviderKeyId } from '#contracts/ids';
import type { ListedModel } from '#contracts/listed-model';
import { TOKEN_CLASSES } from '#contracts/usage';
import type { ProviderId } from '#contracts/vocabulary';
import type { ApiKey } from './api-key.ts';
import { STANDARD_TIER } from './billed-use.ts';
import { matchesAnyGlob } from './glob.ts';
import { encodeUsdPerMillion } from './money.ts';
import type { PriceRate } from './price-book.ts';
import type { RoutableProviderKey, TenantRouting } from './tenant-routing.ts';

/** The models that a key's provider lists for it. */
export type KeyModels = { providerKeyId: ProviderKeyId; models: readonly ListedModel[] };

/** What can be asked for by name: a route, or a model of a provider. */
export type CatalogueEntry = {
  id: string;
  /** Null for a route. */
  provider: ProviderId | null;
  /** What the provider tells of the model; null where it tells nothing. */
  listed: ListedModel | null;
};

export type CatalogueInput = {
  routing: Pick<TenantRouting, 'providerKeys' | 'routes'>;
  apiKey: Pick<ApiKey, 'models'>;
  keyModels: readonly KeyModels[];
  /** A provider's models by the price book. */
  pricedModels: (provider: ProviderId) => readonly string[];
};

const isAllowed = ({ apiKey }: CatalogueInput, ...names: string[]): boolean => {
  const { models } = apiKey;
  return models === null || names.some((name) => matchesAnyGlob(models, name));
};

/** Its exact names, and what its globs leave of the provider's list and of the price book. */
const modelsOf = (
  key: RoutableProviderKey,
  listed: readonly ListedModel[],
  input: CatalogueInput,
): string[] => {
  const exact = key.models?.filter((glob) => !glob.includes('*')) ?? [];
  // A key's own list is the truth; the price book stands in until there is one.
  const known = listed.length > 0 ? listed.map(({ id }) => id) : input.pricedModels(key.provider);
  const { models } = key;
  return [...exact, ...known.filter((model) => models === null || matchesAnyGlob(models, model))];
};

/** The tenant's routes, then the models its provider keys serve, each once, as far as the API key may use them. */
export const listCatalogue = (input: CatalogueInput): CatalogueEntry[] => {
  const entries = new Map<string, CatalogueEntry>();
  for (const name of input.routing.routes.keys()) {
    if (isAllowed(input, name)) entries.set(name, { id: name, provider: null, listed: null });
  }
  const lists = new Map(input.keyModels.map(({ providerKeyId, models }) => [providerKeyId, models]));
  for (const key of input.routing.providerKeys) {
    const listed = lists.get(key.id) ?? [];
    const details = new Map(listed.map((model) => [model.id, model]));
    for (const model of modelsOf(key, listed, input)) {
      const id = `${key.provider}/${model}`;
      if (!isAllowed(input, id, model)) continue;
      const found = details.get(model) ?? entries.get(id)?.listed ?? null;
      entries.set(id, { id, provider: key.provider, listed: found });
    }
  }
  return [...entries.values()];
};

const holdsForAny = (rate: PriceRate): boolean =>
  rate.tier === STANDARD_TIER &&
  rate.region === '' &&
  rate.inputTotalMin === 0n &&
  rate.quantityFrom === 0n &&
  rate.dayMinutes === null;

/**
 * What a model's tokens cost at its standard tier, by class, in USD per million; where long prompts, a region
 * or an hour of the day cost otherwise, the price without. Null where the book does not know it.
 */
export const standardPrices = (rates: readonly PriceRate[]): Record<string, string> | null => {
  const prices: Record<string, string> = {};
  for (const rate of rates) {
    const component = TOKEN_CLASSES.find((name) => name === rate.component);
    if (component !== undefined && holdsForAny(rate))
      prices[component] = encodeUsdPerMillion(rate.ratePicoUsd);
  }
  return Object.keys(prices).length === 0 ? null : prices;
};
