import { index, pgTable, primaryKey, text, timestamp } from 'drizzle-orm/pg-core';
import { bytea, tenant } from './tenancy.ts';

const instant = (name: string) => timestamp(name, { withTimezone: true, mode: 'date' });

/** Requests that came with an `Idempotency-Key`, and what they came to. See `libs/domain/idempotency.ts`. */
export const idempotentRequest = pgTable(
  'idempotent_request',
  {
    tenantId: text('tenant_id')
      .notNull()
      .references(() => tenant.id),
    /** SHA-256 of API key, endpoint and the client's key. */
    scope: bytea('scope').notNull(),
    /** SHA-256 of what was asked. */
    fingerprint: bytea('fingerprint').notNull(),
    /** `running` or `finished`. */
    state: text('state').notNull(),
    /** The ingress that runs it, and its id there. */
    ingressId: text('ingress_id').notNull(),
    requestId: text('request_id').notNull(),
    /** Status, headers and body, sealed; null while it runs, and where it was too large to keep. */
    result: bytea('result'),
    createdAt: instant('created_at').notNull().defaultNow(),
    expiresAt: instant('expires_at').notNull(),
  },
  (table) => [
    primaryKey({ columns: [table.tenantId, table.scope] }),
    index('idempotent_request_by_expiry').on(table.expiresAt),
  ],
);
