import { index, jsonb, pgTable, text, timestamp } from 'drizzle-orm/pg-core';
import { providerKey } from './tenancy.ts';

const instant = (name: string) => timestamp(name, { withTimezone: true, mode: 'date' });

/** The models that a provider lists for a key, as it said when it was asked last. */
export const providerKeyModelList = pgTable(
  'provider_key_model_list',
  {
    providerKeyId: text('provider_key_id')
      .primaryKey()
      .references(() => providerKey.id),
    tenantId: text('tenant_id').notNull(),
    /** Null until the provider has answered once. */
    models: jsonb('models'),
    /** The names alone, for routing. */
    modelIds: text('model_ids').array(),
    /** When somebody last set out to ask; only one does at a time. */
    attemptedAt: instant('attempted_at').notNull(),
    listedAt: instant('listed_at'),
  },
  (table) => [index('provider_key_model_list_by_tenant').on(table.tenantId)],
);
