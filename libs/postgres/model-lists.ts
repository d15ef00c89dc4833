import { eq } from 'drizzle-orm';
import type { ProviderKeyId, TenantId } from '#contracts/ids';
import { listedModels, type ListedModel } from '#contracts/listed-model';
import type { KeyModels } from '#domain/model-catalogue';
import type { Database } from './database.ts';
import { providerKeyModelList } from './schema/model-list.ts';

export type ListOwner = { tenantId: TenantId; providerKeyId: ProviderKeyId };

/**
 * Takes keys whose list is old or was never read, each for one taker: who takes it marks it in the same
 * statement. A key whose provider did not answer is due again after an hour.
 */
const CLAIM = `
  insert into provider_key_model_list (provider_key_id, tenant_id, attempted_at)
  select provider_key.id, provider_key.tenant_id, now()
  from provider_key
    join tenant on tenant.id = provider_key.tenant_id and tenant.deleted_at is null
    left join provider_key_model_list list on list.provider_key_id = provider_key.id
  where provider_key.deleted_at is null and provider_key.status = 'active'
    and (list.attempted_at is null or list.attempted_at < now() - interval '1 hour')
    and (list.listed_at is null or list.listed_at < now() - interval '1 day')
  order by list.attempted_at nulls first
  limit $1
  on conflict (provider_key_id) do update set attempted_at = now()
    where provider_key_model_list.attempted_at < now() - interval '1 hour'
  returning provider_key_id, tenant_id`;

export const createModelListStore = ({ pool, query }: Database) => ({
  claimDue: async (limit: number): Promise<ListOwner[]> => {
    const { rows } = await pool.query<{ provider_key_id: string; tenant_id: string }>(CLAIM, [limit]);
    return rows.map((row) => ({
      providerKeyId: row.provider_key_id as ProviderKeyId,
      tenantId: row.tenant_id as TenantId,
    }));
  },

  save: async ({ providerKeyId, tenantId }: ListOwner, models: readonly ListedModel[]): Promise<void> => {
    const now = new Date();
    const fresh = {
      models,
      modelIds: models.map(({ id }) => id),
      attemptedAt: now,
      listedAt: now,
    };
    await query
      .insert(providerKeyModelList)
      .values({ providerKeyId, tenantId, ...fresh })
      .onConflictDoUpdate({ target: providerKeyModelList.providerKeyId, set: fresh });
  },

  remove: async (providerKeyId: ProviderKeyId): Promise<void> => {
    await query.delete(providerKeyModelList).where(eq(providerKeyModelList.providerKeyId, providerKeyId));
  },

  load: async (tenantId: TenantId): Promise<KeyModels[]> => {
    const rows = await query
      .select({ providerKeyId: providerKeyModelList.providerKeyId, models: providerKeyModelList.models })
      .from(providerKeyModelList)
      .where(eq(providerKeyModelList.tenantId, tenantId));
    return rows.map(({ providerKeyId, models }) => ({
      providerKeyId: providerKeyId as ProviderKeyId,
      models: listedModels.parse(models ?? []),
    }));
  },
});
export type ModelListStore = ReturnType<typeof createModelListStore>;
