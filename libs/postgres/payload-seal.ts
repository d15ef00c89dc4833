import { and, eq, isNull } from 'drizzle-orm';
import type { TenantId } from '#contracts/ids';
import { LoadingCache } from '#domain/loading-cache';
import type { Clock, ConfigurationChanges, Vault } from '#domain/ports';
import type { PayloadSeal } from '#domain/work-ports';
import type { Database } from './database.ts';
import { tenant, tenantDataKey } from './schema/tenancy.ts';
import { FIRST_DATA_KEY_VERSION } from './tenants.ts';

const TENANTS_MAX = 10_000;
const FRESH_MS = 60_000;
/** Long enough to work through an outage of the store. */
const STALE_MS = 15 * 60_000;

/** Thrown where a tenant's data key is gone, and with it all it sealed. */
export class DataKeyGoneError extends Error {
  override readonly name = 'DataKeyGoneError';
}

/**
 * Seals payloads under the newest data key of their tenant. Wrapped keys are kept in memory; those of a
 * tenant that is deleted are dropped as soon as the change is announced.
 */
export const createPayloadSeal = (options: {
  database: Database;
  vault: Vault;
  changes: ConfigurationChanges;
  clock: Clock;
}): PayloadSeal => {
  const { database, vault, changes, clock } = options;
  const cache = new LoadingCache<TenantId, ReadonlyMap<number, Buffer>>({
    clock,
    entriesMax: TENANTS_MAX,
    freshMs: FRESH_MS,
    staleMs: STALE_MS,
  });
  changes.subscribe((change) => {
    if (change === null) cache.clear();
    else cache.drop((_, tenantId) => tenantId === change.tenantId);
  });

  const load = async (tenantId: TenantId): Promise<ReadonlyMap<number, Buffer>> => {
    const rows = await database.query
      .select({ version: tenantDataKey.version, wrapped: tenantDataKey.wrapped })
      .from(tenantDataKey)
      .innerJoin(tenant, eq(tenant.id, tenantDataKey.tenantId))
      .where(and(eq(tenantDataKey.tenantId, tenantId), isNull(tenant.deletedAt)));
    return new Map(rows.map(({ version, wrapped }) => [version, wrapped]));
  };
  const wrappedKey = async (tenantId: TenantId, version: number): Promise<Buffer> => {
    const keys = await cache.get(tenantId, () => load(tenantId));
    const wrapped = keys.get(version);
    if (wrapped === undefined) throw new DataKeyGoneError('This tenant’s data key is gone.');
    return wrapped;
  };

  return {
    seal: async (place, bytes) => {
      const dataKeyVersion = FIRST_DATA_KEY_VERSION;
      const wrapped = await wrappedKey(place.tenantId, dataKeyVersion);
      return { dataKeyVersion, sealed: vault.sealPayload(wrapped, { ...place, dataKeyVersion }, bytes) };
    },
    open: async (place, { dataKeyVersion, sealed }) => {
      const wrapped = await wrappedKey(place.tenantId, dataKeyVersion);
      return vault.openPayload(wrapped, { ...place, dataKeyVersion }, sealed);
    },
  };
};
