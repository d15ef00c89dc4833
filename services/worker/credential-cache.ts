import type { ProviderKeyId } from '#contracts/ids';
import { LoadingCache } from '#domain/loading-cache';
import type { Clock, ConfigurationChanges, ProviderCredential, ProviderCredentials } from '#domain/ports';

const ENTRIES_MAX = 10_000;
const FRESH_MS = 60_000;
/** Long enough to work through an outage of the store. */
const STALE_MS = 15 * 60_000;

/** Opened provider keys, kept in memory until they change. */
export const cacheCredentials = (
  credentials: ProviderCredentials,
  changes: ConfigurationChanges,
  clock: Clock,
): ProviderCredentials => {
  const cache = new LoadingCache<ProviderKeyId, ProviderCredential | null>({
    clock,
    entriesMax: ENTRIES_MAX,
    freshMs: FRESH_MS,
    staleMs: STALE_MS,
    keep: (credential) => credential !== null,
  });
  changes.subscribe((change) => {
    if (change === null) cache.clear();
    else cache.drop((credential) => credential?.tenantId === change.tenantId);
  });
  return {
    open: async (tenantId, id) => {
      const credential = await cache.get(id, () => credentials.open(tenantId, id));
      // The id alone found it: a message that names another tenant gets nothing.
      return credential?.tenantId === tenantId ? credential : null;
    },
  };
};
