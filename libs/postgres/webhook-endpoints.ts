import { createHash, getRandomValues } from 'node:crypto';
import { and, asc, eq, gt, sql } from 'drizzle-orm';
import type { TenantId } from '#contracts/ids';
import type { WebhookEvent, WebhookTarget } from '#contracts/webhook';
import type { IdMint } from '#domain/mint-id';
import type { Vault } from '#domain/ports';
import { mintWebhookSecret } from '#domain/webhook-signature';
import type { Database } from './database.ts';
import { webhookEndpoint } from './schema/webhook.ts';
import { createTenantStore, type Page } from './tenants.ts';

type Row = typeof webhookEndpoint.$inferSelect;
/** What may be told of an address. */
export type StoredWebhookEndpoint = Pick<
  Row,
  'id' | 'url' | 'events' | 'secretVersion' | 'previousUntil' | 'disabledAt' | 'disabledReason' | 'createdAt'
>;
/** `secret`: only where flo2 has just made it. */
export type EnsuredWebhookEndpoint = StoredWebhookEndpoint & { secret: string | null };

const FIRST_VERSION = 1;
/** Receivers change over to a new secret within this. */
const OVERLAP_HOURS = 24;

const columns = {
  id: webhookEndpoint.id,
  url: webhookEndpoint.url,
  events: webhookEndpoint.events,
  secretVersion: webhookEndpoint.secretVersion,
  previousUntil: webhookEndpoint.previousUntil,
  disabledAt: webhookEndpoint.disabledAt,
  disabledReason: webhookEndpoint.disabledReason,
  createdAt: webhookEndpoint.createdAt,
};

const mintSecret = (): string => mintWebhookSecret((bytes) => void getRandomValues(bytes));

export const createWebhookEndpointStore = (database: Database, vault: Vault) => {
  const { query } = database;
  const tenants = createTenantStore(database);
  const own = (tenantId: TenantId, id: string) =>
    and(eq(webhookEndpoint.tenantId, tenantId), eq(webhookEndpoint.id, id));

  const seal = async (tenantId: TenantId, id: string, secretVersion: number, secret: string) => {
    const dataKey = await tenants.findDataKey(tenantId);
    if (dataKey === null) return null;
    const owner = { tenantId, dataKeyVersion: dataKey.version, webhookEndpointId: id, secretVersion };
    return { sealed: vault.seal(dataKey.wrapped, owner, secret), dataKeyVersion: dataKey.version };
  };

  return {
    /**
     * The address with this secret, or with the one flo2 made for it, made now where there is none. Null when
     * there is no such tenant.
     */
    ensure: async (
      tenantId: TenantId,
      target: WebhookTarget,
      mint: IdMint,
    ): Promise<EnsuredWebhookEndpoint | null> => {
      const secretIdentity =
        target.secret === undefined ? '' : createHash('sha256').update(target.secret).digest('hex');
      const identity = and(
        eq(webhookEndpoint.tenantId, tenantId),
        eq(webhookEndpoint.url, target.url),
        eq(webhookEndpoint.secretIdentity, secretIdentity),
      );
      const [known] = await query.select(columns).from(webhookEndpoint).where(identity);
      if (known !== undefined) return { ...known, secret: null };
      const id = mint.mint('whk');
      const secret = target.secret ?? mintSecret();
      const sealed = await seal(tenantId, id, FIRST_VERSION, secret);
      if (sealed === null) return null;
      const [created] = await query
        .insert(webhookEndpoint)
        .values({ id, tenantId, url: target.url, secretIdentity, secretVersion: FIRST_VERSION, ...sealed })
        .onConflictDoNothing()
        .returning(columns);
      if (created !== undefined) return { ...created, secret: target.secret === undefined ? secret : null };
      // Somebody else was faster.
      const [others] = await query.select(columns).from(webhookEndpoint).where(identity);
      return others === undefined ? null : { ...others, secret: null };
    },

    list: (tenantId: TenantId, { limit, afterId }: Page): Promise<StoredWebhookEndpoint[]> =>
      query
        .select(columns)
        .from(webhookEndpoint)
        .where(
          and(
            eq(webhookEndpoint.tenantId, tenantId),
            afterId === null ? undefined : gt(webhookEndpoint.id, afterId),
          ),
        )
        .orderBy(asc(webhookEndpoint.id))
        .limit(limit),

    find: async (tenantId: TenantId, id: string): Promise<StoredWebhookEndpoint | null> => {
      const [row] = await query.select(columns).from(webhookEndpoint).where(own(tenantId, id));
      return row ?? null;
    },

    /** A new secret; the one before signs too for a day. Null when there is no such address. */
    rotate: async (tenantId: TenantId, id: string): Promise<EnsuredWebhookEndpoint | null> => {
      const [row] = await query.select(columns).from(webhookEndpoint).where(own(tenantId, id));
      if (row === undefined) return null;
      const secret = mintSecret();
      const secretVersion = row.secretVersion + 1;
      const sealed = await seal(tenantId, id, secretVersion, secret);
      if (sealed === null) return null;
      const [rotated] = await query
        .update(webhookEndpoint)
        .set({
          ...sealed,
          secretVersion,
          previousSealed: sql`${webhookEndpoint.sealed}`,
          previousUntil: sql`now() + make_interval(hours => ${OVERLAP_HOURS})`,
        })
        .where(and(own(tenantId, id), eq(webhookEndpoint.secretVersion, row.secretVersion)))
        .returning(columns);
      return rotated === undefined ? null : { ...rotated, secret };
    },

    /** Sets what it is told beside what names it. Null when there is no such address. */
    subscribe: async (
      tenantId: TenantId,
      id: string,
      events: WebhookEvent[],
    ): Promise<StoredWebhookEndpoint | null> => {
      const [row] = await query
        .update(webhookEndpoint)
        .set({ events })
        .where(own(tenantId, id))
        .returning(columns);
      return row ?? null;
    },

    enable: async (tenantId: TenantId, id: string): Promise<StoredWebhookEndpoint | null> => {
      const [row] = await query
        .update(webhookEndpoint)
        .set({ disabledAt: null, disabledReason: null })
        .where(own(tenantId, id))
        .returning(columns);
      return row ?? null;
    },
  };
};
export type WebhookEndpointStore = ReturnType<typeof createWebhookEndpointStore>;
