import { and, asc, eq, gt, isNull, sql } from 'drizzle-orm';
import type { ProviderKeyId, TenantId } from '#contracts/ids';
import { providerId, type CompatibleDialect, type ProviderId } from '#contracts/vocabulary';
import type { ApiKeyLimits } from '#domain/api-key';
import type { Database } from './database.ts';
import { providerKey } from './schema/tenancy.ts';
import type { Page } from './tenants.ts';

/** What may be told of a provider key; its secret is elsewhere. */
export type StoredProviderKey = {
  id: ProviderKeyId;
  provider: ProviderId;
  name: string;
  last4: string;
  baseUrl: string | null;
  dialect: CompatibleDialect | null;
  models: string[] | null;
  weight: number;
  account: string | null;
  limits: ApiKeyLimits;
  upstreamKeyId: string | null;
  status: string;
  secretVersion: number;
  createdAt: Date;
  updatedAt: Date;
};

export type SealedSecret = { sealed: Buffer; dataKeyVersion: number; secretVersion: number; last4: string };

export type ProviderKeySettings = Pick<
  StoredProviderKey,
  'name' | 'baseUrl' | 'dialect' | 'models' | 'weight' | 'account' | 'limits' | 'upstreamKeyId'
>;

const columns = {
  id: providerKey.id,
  provider: providerKey.provider,
  name: providerKey.name,
  last4: providerKey.last4,
  baseUrl: providerKey.baseUrl,
  dialect: providerKey.dialect,
  models: providerKey.models,
  weight: providerKey.weight,
  account: providerKey.account,
  limits: providerKey.limits,
  upstreamKeyId: providerKey.upstreamKeyId,
  status: providerKey.status,
  secretVersion: providerKey.secretVersion,
  createdAt: providerKey.createdAt,
  updatedAt: providerKey.updatedAt,
};

type Row = Omit<StoredProviderKey, 'id' | 'provider'> & { id: string; provider: string };
const decode = (row: Row): StoredProviderKey => ({
  ...row,
  id: row.id as ProviderKeyId,
  provider: providerId.parse(row.provider),
});

export const createProviderKeyStore = ({ query }: Database) => {
  const living = (tenantId: TenantId, id: ProviderKeyId) =>
    and(eq(providerKey.tenantId, tenantId), eq(providerKey.id, id), isNull(providerKey.deletedAt));
  return {
    /** Rejects with a unique violation when the tenant has a key of this name. */
    insert: async (
      created: { id: ProviderKeyId; tenantId: TenantId; provider: ProviderId } & ProviderKeySettings &
        SealedSecret,
    ): Promise<StoredProviderKey> => {
      const [row] = await query.insert(providerKey).values(created).returning(columns);
      if (row === undefined) throw new Error('the provider key was not inserted');
      return decode(row);
    },

    count: (tenantId: TenantId): Promise<number> =>
      query.$count(providerKey, and(eq(providerKey.tenantId, tenantId), isNull(providerKey.deletedAt))),

    list: async (tenantId: TenantId, { limit, afterId }: Page): Promise<StoredProviderKey[]> => {
      const rows = await query
        .select(columns)
        .from(providerKey)
        .where(
          and(
            eq(providerKey.tenantId, tenantId),
            isNull(providerKey.deletedAt),
            afterId === null ? undefined : gt(providerKey.id, afterId),
          ),
        )
        .orderBy(asc(providerKey.id))
        .limit(limit);
      return rows.map(decode);
    },

    find: async (tenantId: TenantId, id: ProviderKeyId): Promise<StoredProviderKey | null> => {
      const [row] = await query.select(columns).from(providerKey).where(living(tenantId, id));
      return row === undefined ? null : decode(row);
    },

    /** Null when there is no such key; rejects with a unique violation for another's name. */
    update: async (
      tenantId: TenantId,
      id: ProviderKeyId,
      changes: { [Setting in keyof ProviderKeySettings]?: ProviderKeySettings[Setting] | undefined },
    ): Promise<StoredProviderKey | null> => {
      const [row] = await query
        .update(providerKey)
        .set({ ...changes, updatedAt: sql`now()` })
        .where(living(tenantId, id))
        .returning(columns);
      return row === undefined ? null : decode(row);
    },

    /** Puts in a new secret where the version is still the one before it; null otherwise. */
    rotate: async (
      tenantId: TenantId,
      id: ProviderKeyId,
      secret: SealedSecret,
    ): Promise<StoredProviderKey | null> => {
      const [row] = await query
        .update(providerKey)
        .set({ ...secret, updatedAt: sql`now()` })
        .where(and(living(tenantId, id), eq(providerKey.secretVersion, secret.secretVersion - 1)))
        .returning(columns);
      return row === undefined ? null : decode(row);
    },

    /** The sealed secret goes with it. Resolves to whether there was one. */
    delete: async (tenantId: TenantId, id: ProviderKeyId): Promise<boolean> => {
      const rows = await query
        .update(providerKey)
        .set({ deletedAt: sql`now()`, sealed: Buffer.alloc(0), status: 'deleted' })
        .where(living(tenantId, id))
        .returning({ id: providerKey.id });
      return rows.length > 0;
    },
  };
};
export type ProviderKeyStore = ReturnType<typeof createProviderKeyStore>;
