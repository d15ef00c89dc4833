import { sql } from 'drizzle-orm';
import { index, integer, jsonb, pgTable, text, timestamp, uniqueIndex } from 'drizzle-orm/pg-core';
import type { WebhookEvent } from '#contracts/webhook';
import { bytea, tenant } from './tenancy.ts';

const instant = (name: string) => timestamp(name, { withTimezone: true, mode: 'date' });

/** One try of a delivery, as it is shown. */
export type WebhookTryRecord = {
  at: string;
  /** Null where there was no answer. */
  status: number | null;
  error: string | null;
  duration_ms: number;
};

/** An address of a tenant's, with the secrets that webhooks to it are signed with. */
export const webhookEndpoint = pgTable(
  'webhook_endpoint',
  {
    id: text('id').primaryKey(),
    tenantId: text('tenant_id')
      .notNull()
      .references(() => tenant.id),
    url: text('url').notNull(),
    /** SHA-256 of a secret the tenant brought, hex; empty for the one flo2 made for the address. */
    secretIdentity: text('secret_identity').notNull(),
    /** The secret under the tenant's data key; see `libs/vault`. */
    sealed: bytea('sealed').notNull(),
    dataKeyVersion: integer('data_key_version').notNull(),
    secretVersion: integer('secret_version').notNull(),
    /** The secret before the last rotation, used beside the new one until then. */
    previousSealed: bytea('previous_sealed'),
    previousUntil: instant('previous_until'),
    /** What is sent here beside what names the address (`webhookEvent`). */
    events: text('events')
      .array()
      .$type<WebhookEvent[]>()
      .notNull()
      .default(sql`'{}'`),
    disabledAt: instant('disabled_at'),
    disabledReason: text('disabled_reason'),
    createdAt: instant('created_at').notNull().defaultNow(),
  },
  (table) => [
    uniqueIndex('webhook_endpoint_identity').on(table.tenantId, table.url, table.secretIdentity),
    index('webhook_endpoint_by_tenant').on(table.tenantId, table.id),
  ],
);

/** What a tenant is to be told, written in the transaction that makes it true. */
export const webhookDelivery = pgTable(
  'webhook_delivery',
  {
    id: text('id').primaryKey(),
    tenantId: text('tenant_id').notNull(),
    endpointId: text('endpoint_id')
      .notNull()
      .references(() => webhookEndpoint.id),
    type: text('type').notNull(),
    /** What it tells of, where that is told to an address once however often it is written. */
    occurrence: text('occurrence'),
    /** The body, byte for byte. */
    payload: text('payload').notNull(),
    /** `pending`, `delivered`, `failed` after all tries, `discarded` where the address was disabled. */
    status: text('status').notNull().default('pending'),
    /** Since it was written or asked for again. */
    tries: integer('tries').notNull().default(0),
    log: jsonb('log')
      .$type<WebhookTryRecord[]>()
      .notNull()
      .default(sql`'[]'`),
    nextTryAt: instant('next_try_at').notNull().defaultNow(),
    createdAt: instant('created_at').notNull().defaultNow(),
    endedAt: instant('ended_at'),
  },
  (table) => [
    index('webhook_delivery_by_tenant').on(table.tenantId, table.id),
    uniqueIndex('webhook_delivery_occurrence')
      .on(table.endpointId, table.occurrence)
      .where(sql`occurrence is not null`),
    index('webhook_delivery_due')
      .on(table.endpointId, table.nextTryAt)
      .where(sql`status = 'pending'`),
    index('webhook_delivery_ended')
      .on(table.endedAt)
      .where(sql`ended_at is not null`),
  ],
);
