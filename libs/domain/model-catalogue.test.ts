import { describe, expect, it } from 'vitest';
import type { ProviderKeyId } from '#contracts/ids';
import type { ListedModel } from '#contracts/listed-model';
import type { ProviderId } from '#contracts/vocabulary';
import { priceRateOf } from '#test/support/price-rates';
import { listCatalogue, standardPrices, type CatalogueInput } from './model-catalogue.ts';
import type { PriceRate } from './price-book.ts';
import type { RoutableProviderKey, Route } from './tenant-routing.ts';

const key = (
  id: string,
  provider: ProviderId,
  models: readonly string[] | null = null,
): RoutableProviderKey => ({
  id: id as ProviderKeyId,
  provider,
  models,
  weight: 1,
  account: null,
  limits: {},
});
const listed = (id: string, contextWindowTokens: number | null = null): ListedModel => ({
  id,
  contextWindowTokens,
  maxOutputTokens: null,
  capabilities: null,
});
const ROUTE: Route = { name: 'safe', strategy: 'fallback', targets: [], maxAttempts: null, timeoutMs: null };

const inputOf = (changes: Partial<CatalogueInput>): CatalogueInput => ({
  routing: { providerKeys: [key('k1', 'openai')], routes: new Map([['safe', ROUTE]]) },
  apiKey: { models: null },
  keyModels: [],
  pricedModels: (provider) => (provider === 'openai' ? ['gpt-4o-mini', 'o9'] : []),
  ...changes,
});
const idsOf = (changes: Partial<CatalogueInput>): string[] =>
  listCatalogue(inputOf(changes)).map(({ id }) => id);

describe('the catalogue of a tenant', () => {
  it('has its routes, and what the price book knows until the provider has been asked', () => {
    expect(idsOf({})).toEqual(['safe', 'openai/gpt-4o-mini', 'openai/o9']);
    const keyModels = [{ providerKeyId: 'k1' as ProviderKeyId, models: [listed('gpt-4o-mini', 128_000)] }];
    expect(listCatalogue(inputOf({ keyModels }))).toEqual([
      { id: 'safe', provider: null, listed: null },
      { id: 'openai/gpt-4o-mini', provider: 'openai', listed: listed('gpt-4o-mini', 128_000) },
    ]);
  });

  it('has each model once, with what any key’s list tells of it', () => {
    const providerKeys = [key('k1', 'openai'), key('k2', 'openai', ['o9'])];
    const keyModels = [{ providerKeyId: 'k1' as ProviderKeyId, models: [listed('o9', 9)] }];
    const routing = { providerKeys, routes: new Map<string, Route>() };
    expect(listCatalogue(inputOf({ routing, keyModels }))).toEqual([
      { id: 'openai/o9', provider: 'openai', listed: listed('o9', 9) },
    ]);
  });

  it('keeps to the globs of the keys on either side', () => {
    const routing = {
      providerKeys: [key('k1', 'openai', ['gpt-*', 'own'])],
      routes: new Map([['safe', ROUTE]]),
    };
    expect(idsOf({ routing })).toEqual(['safe', 'openai/own', 'openai/gpt-4o-mini']);
    expect(idsOf({ routing, apiKey: { models: ['openai/own'] } })).toEqual(['openai/own']);
    expect(idsOf({ routing, apiKey: { models: ['gpt-*'] } })).toEqual(['openai/gpt-4o-mini']);
  });
});

describe('prices in a catalogue', () => {
  const rate = (changes: Partial<PriceRate>) => priceRateOf({ ratePicoUsd: 150_000n, ...changes });

  it('are those of the standard tier for short prompts', () => {
    expect(
      standardPrices([
        rate({}),
        rate({ component: 'output', ratePicoUsd: 600_000n }),
        rate({ tier: 'batch', ratePicoUsd: 1n }),
        rate({ region: 'us', ratePicoUsd: 3n }),
        rate({ dayMinutes: { from: 0, to: 60 }, ratePicoUsd: 4n }),
        rate({ component: 'web_search', ratePicoUsd: 5n }),
        rate({ inputTotalMin: 200_001n, ratePicoUsd: 2n }),
      ]),
    ).toEqual({ input: '0.15', output: '0.6' });
    expect(standardPrices([])).toBeNull();
  });
});
