import { and, asc, eq, gt, isNull } from 'drizzle-orm';
import type { BatchMode } from '#contracts/batch';
import type { TenantId } from '#contracts/ids';
import type { TenantShares } from '#domain/tenant-routing';
import type { Database } from './database.ts';
import { budget } from './schema/budget.ts';
import { apiKey, providerKey, route, tenant, tenantDataKey } from './schema/tenancy.ts';

export type StoredTenant = {
  id: TenantId;
  name: string;
  weight: number;
  shares: TenantShares;
  batchMode: BatchMode;
  createdAt: Date;
};
export type TenantSettings = Pick<StoredTenant, 'name' | 'weight' | 'shares' | 'batchMode'>;

export type Page = { limit: number; afterId: string | null };

const FIRST_DATA_KEY_VERSION = 1;

const columns = {
  id: tenant.id,
  name: tenant.name,
  weight: tenant.weight,
  shares: tenant.shares,
  batchMode: tenant.batchMode,
  createdAt: tenant.createdAt,
};
const decode = (row: Omit<StoredTenant, 'id'> & { id: string }): StoredTenant => ({
  ...row,
  id: row.id as TenantId,
});

/** Tenants and their data keys. A deleted tenant stays in the ledger and is found nowhere else. */
export const createTenantStore = ({ query }: Database) => {
  const living = (id: TenantId) => and(eq(tenant.id, id), isNull(tenant.deletedAt));
  return {
    insert: async (created: { id: TenantId; name: string; wrappedDataKey: Buffer }): Promise<StoredTenant> =>
      query.transaction(async (transaction) => {
        const [row] = await transaction
          .insert(tenant)
          .values({ id: created.id, name: created.name })
          .returning(columns);
        if (row === undefined) throw new Error('the tenant was not inserted');
        await transaction.insert(tenantDataKey).values({
          tenantId: created.id,
          version: FIRST_DATA_KEY_VERSION,
          wrapped: created.wrappedDataKey,
        });
        return decode(row);
      }),

    list: async ({ limit, afterId }: Page): Promise<StoredTenant[]> => {
      const rows = await query
        .select(columns)
        .from(tenant)
        .where(and(isNull(tenant.deletedAt), afterId === null ? undefined : gt(tenant.id, afterId)))
        .orderBy(asc(tenant.id))
        .limit(limit);
      return rows.map(decode);
    },

    find: async (id: TenantId): Promise<StoredTenant | null> => {
      const [row] = await query.select(columns).from(tenant).where(living(id));
      return row === undefined ? null : decode(row);
    },

    /** Null when there is no such tenant. */
    update: async (
      id: TenantId,
      changes: { [Setting in keyof TenantSettings]?: TenantSettings[Setting] | undefined },
    ): Promise<StoredTenant | null> => {
      // A statement that sets nothing is refused.
      if (Object.values(changes).every((value) => value === undefined)) {
        const [row] = await query.select(columns).from(tenant).where(living(id));
        return row === undefined ? null : decode(row);
      }
      const [row] = await query.update(tenant).set(changes).where(living(id)).returning(columns);
      return row === undefined ? null : decode(row);
    },

    /** All that belongs to the tenant goes with it, its secrets for good. Resolves to whether there was one. */
    delete: async (id: TenantId): Promise<boolean> =>
      query.transaction(async (transaction) => {
        const deletedAt = new Date();
        const rows = await transaction
          .update(tenant)
          .set({ deletedAt })
          .where(living(id))
          .returning({ id: tenant.id });
        if (rows.length === 0) return false;
        await transaction
          .update(apiKey)
          .set({ deletedAt })
          .where(and(eq(apiKey.tenantId, id), isNull(apiKey.deletedAt)));
        await transaction
          .update(providerKey)
          .set({ deletedAt, sealed: Buffer.alloc(0), status: 'deleted' })
          .where(and(eq(providerKey.tenantId, id), isNull(providerKey.deletedAt)));
        await transaction
          .update(budget)
          .set({ deletedAt })
          .where(and(eq(budget.tenantId, id), isNull(budget.deletedAt)));
        await transaction.delete(route).where(eq(route.tenantId, id));
        await transaction.delete(tenantDataKey).where(eq(tenantDataKey.tenantId, id));
        return true;
      }),

    /** The newest data key, under which new secrets are sealed; null when there is no such tenant. */
    findDataKey: async (id: TenantId): Promise<{ version: number; wrapped: Buffer } | null> => {
      const [row] = await query
        .select({ version: tenantDataKey.version, wrapped: tenantDataKey.wrapped })
        .from(tenantDataKey)
        .innerJoin(tenant, eq(tenant.id, tenantDataKey.tenantId))
        .where(and(living(id), eq(tenantDataKey.version, FIRST_DATA_KEY_VERSION)));
      return row ?? null;
    },
  };
};
export type TenantStore = ReturnType<typeof createTenantStore>;
export { FIRST_DATA_KEY_VERSION };
