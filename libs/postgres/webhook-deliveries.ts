import { and, desc, eq, lt, sql } from 'drizzle-orm';
import type { TenantId } from '#contracts/ids';
import type { DataKeyOwner } from '#domain/ports';
import type { Database } from './database.ts';
import { webhookDelivery, type WebhookTryRecord } from './schema/webhook.ts';
import type { Page } from './tenants.ts';

export type StoredWebhookDelivery = typeof webhookDelivery.$inferSelect;

/** One that is due, with what it takes to sign it. */
export type DueWebhook = {
  id: string;
  tenantId: TenantId;
  endpointId: string;
  type: string;
  payload: string;
  tries: number;
  log: WebhookTryRecord[];
  url: string;
  sealed: Buffer;
  secretVersion: number;
  /** Null where it is no longer valid. */
  previousSealed: Buffer | null;
  dataKey: { wrapped: Buffer; version: DataKeyOwner['dataKeyVersion'] };
};

export type WebhookOutcome =
  | { status: 'pending'; nextTryAtMs: number }
  | { status: 'delivered' | 'failed' | 'gone' };

/** Longer than any try: a process that died in the middle of one leaves it to another after this. */
const CLAIM_SECONDS = 60;
const LOG_MAX = 30;
const KEPT_DAYS = 30;
const DISABLED_REASON = 'the receiver answered 410 Gone';

export const createWebhookDeliveries = (database: Database) => {
  const { query, pool } = database;
  const own = (tenantId: TenantId, id: string) =>
    and(eq(webhookDelivery.tenantId, tenantId), eq(webhookDelivery.id, id));
  return {
    /** Takes what is due, at most one of each address and none of the busy ones. */
    claim: async (limit: number, busyEndpointIds: readonly string[]): Promise<DueWebhook[]> => {
      const result = await pool.query<Omit<DueWebhook, 'dataKey'> & { wrapped: Buffer; version: number }>(
        `with due as (
           select distinct on (endpoint_id) id, next_try_at from webhook_delivery
           where status = 'pending' and next_try_at <= now() and endpoint_id <> all($2::text[])
           order by endpoint_id, next_try_at
         ), claimed as (
           select delivery.id from webhook_delivery delivery join due using (id)
           where delivery.status = 'pending' and delivery.next_try_at <= now()
           order by due.next_try_at limit $1
           for update of delivery skip locked
         )
         update webhook_delivery delivery
         set next_try_at = now() + make_interval(secs => ${CLAIM_SECONDS})
         from claimed, webhook_endpoint endpoint, tenant_data_key data_key
         where delivery.id = claimed.id and endpoint.id = delivery.endpoint_id
           and data_key.tenant_id = endpoint.tenant_id and data_key.version = endpoint.data_key_version
         returning delivery.id, delivery.tenant_id as "tenantId", delivery.endpoint_id as "endpointId",
                   delivery.type, delivery.payload, delivery.tries, delivery.log, endpoint.url, endpoint.sealed,
                   endpoint.secret_version as "secretVersion",
                   case when endpoint.previous_until > now() then endpoint.previous_sealed end
                     as "previousSealed",
                   data_key.wrapped, data_key.version`,
        [limit, busyEndpointIds],
      );
      return result.rows.map(({ wrapped, version, ...row }) => ({ ...row, dataKey: { wrapped, version } }));
    },

    /** Notes what a try came to; one that found its address gone disables it, with all that waits for it. */
    settle: async (due: DueWebhook, outcome: WebhookOutcome, record: WebhookTryRecord): Promise<void> => {
      const log = JSON.stringify([...due.log, record].slice(-LOG_MAX));
      const isPending = outcome.status === 'pending';
      await pool.query(
        `update webhook_delivery set status = $2, tries = $3, log = $4,
                next_try_at = coalesce($5::timestamptz, next_try_at),
                ended_at = case when $2 = 'pending' then null else now() end
         where id = $1`,
        [
          due.id,
          outcome.status === 'gone' ? 'discarded' : outcome.status,
          due.tries + 1,
          log,
          isPending ? new Date(outcome.nextTryAtMs).toISOString() : null,
        ],
      );
      if (outcome.status !== 'gone') return;
      await pool.query(
        `with endpoint as (
           update webhook_endpoint set disabled_at = now(), disabled_reason = $2
           where id = $1 and disabled_at is null
         )
         update webhook_delivery set status = 'discarded', ended_at = now()
         where endpoint_id = $1 and status = 'pending'`,
        [due.endpointId, DISABLED_REASON],
      );
    },

    /** Newest first; `afterId` is the last id of the page before. */
    list: (tenantId: TenantId, { limit, afterId }: Page): Promise<StoredWebhookDelivery[]> =>
      query
        .select()
        .from(webhookDelivery)
        .where(
          and(
            eq(webhookDelivery.tenantId, tenantId),
            afterId === null ? undefined : lt(webhookDelivery.id, afterId),
          ),
        )
        .orderBy(desc(webhookDelivery.id))
        .limit(limit),

    find: async (tenantId: TenantId, id: string): Promise<StoredWebhookDelivery | null> => {
      const [row] = await query.select().from(webhookDelivery).where(own(tenantId, id));
      return row ?? null;
    },

    /** Sends it again from the first try on, whatever came of it. Null when there is none. */
    resend: async (tenantId: TenantId, id: string): Promise<StoredWebhookDelivery | null> => {
      const [row] = await query
        .update(webhookDelivery)
        .set({ status: 'pending', tries: 0, nextTryAt: sql`now()`, endedAt: null })
        .where(own(tenantId, id))
        .returning();
      return row ?? null;
    },

    /** Forgets what ended long ago. */
    forgetOld: async (): Promise<void> => {
      await pool.query(
        `delete from webhook_delivery where ended_at < now() - make_interval(days => ${KEPT_DAYS})`,
      );
    },
  };
};
export type WebhookDeliveries = ReturnType<typeof createWebhookDeliveries>;
