import type { TenantId } from '#contracts/ids';
import type { ApiKey } from './api-key.ts';
import { LoadingCache } from './loading-cache.ts';
import type { Clock, ConfigurationChanges, TenantDirectory } from './ports.ts';
import type { KeyModels } from './model-catalogue.ts';
import type { TenantRouting } from './tenant-routing.ts';

const KEYS_MAX = 50_000;
const TENANTS_MAX = 10_000;
/** A list of an aggregator's models is long, and few ask for it. */
const MODEL_LISTS_MAX = 500;
const FRESH_MS = 60_000;
/** Long enough to serve known callers through an outage of the store. */
const STALE_MS = 15 * 60_000;

export type CachedDirectory = TenantDirectory & {
  /** Whose key this is, where that is known without asking the store. */
  knownTenantOf: (keyHash: Uint8Array) => TenantId | null;
};

const nameOf = (keyHash: Uint8Array): string => Buffer.from(keyHash).toString('base64');

/** The directory in memory. What has changed is dropped as soon as the change is announced. */
export const cacheDirectory = (
  directory: TenantDirectory,
  changes: ConfigurationChanges,
  clock: Clock,
): CachedDirectory => {
  const times = { clock, freshMs: FRESH_MS, staleMs: STALE_MS };
  const apiKeys = new LoadingCache<string, ApiKey | null>({
    ...times,
    entriesMax: KEYS_MAX,
    // Guesses must not push real keys out.
    keep: (apiKey) => apiKey !== null,
  });
  const models = new LoadingCache<TenantId, readonly KeyModels[]>({ ...times, entriesMax: MODEL_LISTS_MAX });
  const routings = new LoadingCache<TenantId, TenantRouting>({ ...times, entriesMax: TENANTS_MAX });
  changes.subscribe((change) => {
    if (change === null) {
      apiKeys.clear();
      routings.clear();
      models.clear();
      return;
    }
    apiKeys.drop((apiKey) => apiKey?.tenantId === change.tenantId);
    routings.drop((_, tenantId) => tenantId === change.tenantId);
    models.drop((_, tenantId) => tenantId === change.tenantId);
  });
  return {
    findApiKey: (keyHash) => apiKeys.get(nameOf(keyHash), () => directory.findApiKey(keyHash)),
    knownTenantOf: (keyHash) => apiKeys.peek(nameOf(keyHash))?.tenantId ?? null,
    loadModels: (tenantId) => models.get(tenantId, () => directory.loadModels(tenantId)),
    loadRouting: (tenantId) => routings.get(tenantId, () => directory.loadRouting(tenantId)),
  };
};
