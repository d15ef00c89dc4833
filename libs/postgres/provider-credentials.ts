import { and, eq, isNull } from 'drizzle-orm';
import { providerId } from '#contracts/vocabulary';
import type { ProviderCredentials, Vault } from '#domain/ports';
import type { Database } from './database.ts';
import { providerKey, tenant, tenantDataKey } from './schema/tenancy.ts';
import { inTenant } from './tenant-scope.ts';

/** Opens keys straight from the store. Rejects when the store is down or the vault cannot open the key. */
export const createProviderCredentials = ({ query }: Database, vault: Vault): ProviderCredentials => {
  const open: ProviderCredentials['open'] = async (tenantId, id) => {
    const [row] = await query
      .select({
        provider: providerKey.provider,
        baseUrl: providerKey.baseUrl,
        dialect: providerKey.dialect,
        sealed: providerKey.sealed,
        dataKeyVersion: providerKey.dataKeyVersion,
        secretVersion: providerKey.secretVersion,
        wrapped: tenantDataKey.wrapped,
      })
      .from(providerKey)
      .innerJoin(tenant, eq(tenant.id, providerKey.tenantId))
      .innerJoin(
        tenantDataKey,
        and(
          eq(tenantDataKey.tenantId, providerKey.tenantId),
          eq(tenantDataKey.version, providerKey.dataKeyVersion),
        ),
      )
      .where(
        and(
          eq(providerKey.tenantId, tenantId),
          eq(providerKey.id, id),
          isNull(providerKey.deletedAt),
          isNull(tenant.deletedAt),
        ),
      );
    if (row === undefined) return null;
    const { dataKeyVersion, secretVersion, baseUrl, dialect } = row;
    const owner = { tenantId, dataKeyVersion, providerKeyId: id, secretVersion };
    const secret = vault.open(row.wrapped, owner, row.sealed);
    return { id, tenantId, provider: providerId.parse(row.provider), secret, baseUrl, dialect };
  };
  return { open: (tenantId, id) => inTenant(tenantId, () => open(tenantId, id)) };
};
