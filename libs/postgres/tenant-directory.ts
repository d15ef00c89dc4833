import { and, asc, eq, getTableColumns, isNull } from 'drizzle-orm';
import { routeBody } from '#contracts/control-plane';
import type { ProviderKeyId, TenantId } from '#contracts/ids';
import { providerId } from '#contracts/vocabulary';
import type { TenantDirectory } from '#domain/ports';
import type { Route, TenantRouting } from '#domain/tenant-routing';
import { decodeApiKey } from './api-keys.ts';
import type { Database } from './database.ts';
import { createModelListStore } from './model-lists.ts';
import { providerKeyModelList } from './schema/model-list.ts';
import { apiKey, providerKey, route, tenant } from './schema/tenancy.ts';
import { inTenant } from './tenant-scope.ts';

const decodeRoute = (row: { name: string; definition: unknown }): Route => {
  const {
    strategy,
    targets,
    max_attempts: maxAttempts,
    timeout_ms: timeoutMs,
  } = routeBody.parse(row.definition);
  return {
    name: row.name,
    strategy,
    targets: targets.map(({ model, weight, provider_key: providerKeyId }) => ({
      model,
      weight,
      providerKeyId,
    })),
    maxAttempts: maxAttempts ?? null,
    timeoutMs: timeoutMs ?? null,
  };
};

const loadRouting = async ({ query }: Database, tenantId: TenantId): Promise<TenantRouting> => {
  const [keys, routes, tenants] = await Promise.all([
    query
      .select({
        id: providerKey.id,
        provider: providerKey.provider,
        models: providerKey.models,
        weight: providerKey.weight,
        account: providerKey.account,
        limits: providerKey.limits,
        listedModelIds: providerKeyModelList.modelIds,
      })
      .from(providerKey)
      .leftJoin(providerKeyModelList, eq(providerKeyModelList.providerKeyId, providerKey.id))
      .where(
        and(
          eq(providerKey.tenantId, tenantId),
          eq(providerKey.status, 'active'),
          isNull(providerKey.deletedAt),
        ),
      )
      .orderBy(asc(providerKey.id)),
    query
      .select({ name: route.name, definition: route.definition })
      .from(route)
      .where(eq(route.tenantId, tenantId))
      .orderBy(asc(route.name)),
    query
      .select({ weight: tenant.weight, shares: tenant.shares, batchMode: tenant.batchMode })
      .from(tenant)
      .where(eq(tenant.id, tenantId)),
  ]);
  return {
    providerKeys: keys.map((key) => ({
      ...key,
      id: key.id as ProviderKeyId,
      provider: providerId.parse(key.provider),
      listedModelIds: key.listedModelIds === null ? undefined : new Set(key.listedModelIds),
    })),
    routes: new Map(routes.map((row) => [row.name, decodeRoute(row)])),
    weight: tenants[0]?.weight ?? 1,
    shares: tenants[0]?.shares ?? { teams: {}, features: {} },
    batchMode: tenants[0]?.batchMode ?? 'queued',
  };
};

/** The directory, straight from the store; callers keep what they read. */
export const createTenantDirectory = (database: Database): TenantDirectory => {
  const { query } = database;
  return {
    findApiKey: async (keyHash) => {
      const [row] = await query
        .select(getTableColumns(apiKey))
        .from(apiKey)
        .innerJoin(tenant, eq(tenant.id, apiKey.tenantId))
        .where(
          and(eq(apiKey.keyHash, Buffer.from(keyHash)), isNull(apiKey.deletedAt), isNull(tenant.deletedAt)),
        );
      return row === undefined ? null : decodeApiKey(row);
    },

    loadRouting: (tenantId) => inTenant(tenantId, () => loadRouting(database, tenantId)),
    loadModels: createModelListStore(database).load,
  };
};
