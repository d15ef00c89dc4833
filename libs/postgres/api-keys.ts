import { and, asc, eq, gt, isNull, sql } from 'drizzle-orm';
import type { ApiKeyId, TenantId } from '#contracts/ids';
import { API_KEY_SCOPES, type ApiKey, type ApiKeyScope } from '#domain/api-key';
import type { Database } from './database.ts';
import { apiKey } from './schema/tenancy.ts';
import type { Page } from './tenants.ts';

export type StoredApiKey = ApiKey & { name: string; last4: string; createdAt: Date; updatedAt: Date };

/** Null clears a field, undefined leaves it. */
export type ApiKeySettings = {
  name: string;
  team: string | null;
  feature: string | null;
  tags: Readonly<Record<string, string>>;
  scopes: readonly ApiKeyScope[];
  models: readonly string[] | null;
  limits: ApiKey['limits'];
  allowOverride: boolean;
  expiresAtMs: number | null;
};

type Row = typeof apiKey.$inferSelect;

const isScope = (text: string): text is ApiKeyScope => API_KEY_SCOPES.some((scope) => scope === text);

export const decodeApiKey = (row: Row): StoredApiKey => ({
  id: row.id as ApiKeyId,
  tenantId: row.tenantId as TenantId,
  name: row.name,
  last4: row.last4,
  scopes: row.scopes.filter(isScope),
  models: row.models,
  team: row.team,
  feature: row.feature,
  tags: row.tags,
  allowOverride: row.allowOverride,
  limits: row.limits,
  expiresAtMs: row.expiresAt === null ? null : row.expiresAt.getTime(),
  createdAt: row.createdAt,
  updatedAt: row.updatedAt,
});

type Changes = { [Setting in keyof ApiKeySettings]?: ApiKeySettings[Setting] | undefined };

const encode = ({ expiresAtMs, scopes, models, tags, limits, ...same }: Changes) => ({
  ...same,
  ...(scopes !== undefined && { scopes: [...scopes] }),
  ...(models !== undefined && { models: models === null ? null : [...models] }),
  ...(tags !== undefined && { tags: { ...tags } }),
  ...(limits !== undefined && { limits }),
  ...(expiresAtMs !== undefined && { expiresAt: expiresAtMs === null ? null : new Date(expiresAtMs) }),
});

/** API keys, stored as the hash of the key. */
export const createApiKeyStore = ({ query }: Database) => {
  const living = (tenantId: TenantId, id: ApiKeyId) =>
    and(eq(apiKey.tenantId, tenantId), eq(apiKey.id, id), isNull(apiKey.deletedAt));
  const decodeFirst = ([row]: Row[]): StoredApiKey | null => (row === undefined ? null : decodeApiKey(row));
  return {
    insert: async (
      created: ApiKeySettings & { id: ApiKeyId; tenantId: TenantId; keyHash: Buffer; last4: string },
    ): Promise<StoredApiKey> => {
      const { expiresAtMs, scopes, models, tags, ...same } = created;
      const [row] = await query
        .insert(apiKey)
        .values({
          ...same,
          scopes: [...scopes],
          models: models === null ? null : [...models],
          tags: { ...tags },
          expiresAt: expiresAtMs === null ? null : new Date(expiresAtMs),
        })
        .returning();
      if (row === undefined) throw new Error('the API key was not inserted');
      return decodeApiKey(row);
    },

    list: async (tenantId: TenantId, { limit, afterId }: Page): Promise<StoredApiKey[]> => {
      const rows = await query
        .select()
        .from(apiKey)
        .where(
          and(
            eq(apiKey.tenantId, tenantId),
            isNull(apiKey.deletedAt),
            afterId === null ? undefined : gt(apiKey.id, afterId),
          ),
        )
        .orderBy(asc(apiKey.id))
        .limit(limit);
      return rows.map(decodeApiKey);
    },

    find: async (tenantId: TenantId, id: ApiKeyId): Promise<StoredApiKey | null> =>
      decodeFirst(await query.select().from(apiKey).where(living(tenantId, id))),

    update: async (tenantId: TenantId, id: ApiKeyId, changes: Changes): Promise<StoredApiKey | null> =>
      decodeFirst(
        await query
          .update(apiKey)
          .set({ ...encode(changes), updatedAt: sql`now()` })
          .where(living(tenantId, id))
          .returning(),
      ),

    /** The old key is worth nothing from then on. */
    rotate: async (
      tenantId: TenantId,
      id: ApiKeyId,
      key: { keyHash: Buffer; last4: string },
    ): Promise<StoredApiKey | null> =>
      decodeFirst(
        await query
          .update(apiKey)
          .set({ ...key, updatedAt: sql`now()` })
          .where(living(tenantId, id))
          .returning(),
      ),

    /** Resolves to whether there was one. */
    delete: async (tenantId: TenantId, id: ApiKeyId): Promise<boolean> => {
      const rows = await query
        .update(apiKey)
        .set({ deletedAt: sql`now()` })
        .where(living(tenantId, id))
        .returning({ id: apiKey.id });
      return rows.length > 0;
    },
  };
};
export type ApiKeyStore = ReturnType<typeof createApiKeyStore>;
