import { sql } from 'drizzle-orm';
import {
  boolean,
  customType,
  index,
  integer,
  jsonb,
  pgTable,
  primaryKey,
  text,
  timestamp,
  uniqueIndex,
} from 'drizzle-orm/pg-core';
import type { BatchMode } from '#contracts/batch';
import type { CompatibleDialect } from '#contracts/vocabulary';
import type { ApiKeyLimits } from '#domain/api-key';
import type { TenantShares } from '#domain/tenant-routing';

export const bytea = customType<{ data: Buffer }>({ dataType: () => 'bytea' });
const instant = (name: string) => timestamp(name, { withTimezone: true, mode: 'date' });

export const tenant = pgTable('tenant', {
  id: text('id').primaryKey(),
  name: text('name').notNull(),
  /** The tenant's part where several wait for the same workers; twice the weight is twice the part. */
  weight: integer('weight').notNull().default(1),
  /** The parts of its teams and features where they wait for the same key. */
  shares: jsonb('shares').$type<TenantShares>().notNull().default({ teams: {}, features: {} }),
  /** How its batches' lines run where the batch does not say it. */
  batchMode: text('batch_mode').$type<BatchMode>().notNull().default('queued'),
  createdAt: instant('created_at').notNull().defaultNow(),
  deletedAt: instant('deleted_at'),
});

/** A tenant's data-encryption keys, each wrapped by the key-encryption key. */
export const tenantDataKey = pgTable(
  'tenant_data_key',
  {
    tenantId: text('tenant_id')
      .notNull()
      .references(() => tenant.id),
    version: integer('version').notNull(),
    wrapped: bytea('wrapped').notNull(),
    createdAt: instant('created_at').notNull().defaultNow(),
  },
  (table) => [primaryKey({ columns: [table.tenantId, table.version] })],
);

export const providerKey = pgTable(
  'provider_key',
  {
    id: text('id').primaryKey(),
    tenantId: text('tenant_id')
      .notNull()
      .references(() => tenant.id),
    provider: text('provider').notNull(),
    name: text('name').notNull(),
    /** The secret under the tenant's data key; see `libs/vault`. */
    sealed: bytea('sealed').notNull(),
    dataKeyVersion: integer('data_key_version').notNull(),
    /** Counts rotations; bound into the ciphertext so that an old one cannot be put back. */
    secretVersion: integer('secret_version').notNull(),
    last4: text('last4').notNull(),
    baseUrl: text('base_url'),
    /** Which server an `openai_compatible` one is, where its host does not tell. */
    dialect: text('dialect').$type<CompatibleDialect>(),
    models: text('models').array(),
    weight: integer('weight').notNull().default(1),
    /** Keys of one declared account share its rate limits. */
    account: text('account'),
    /** What the tenant says the provider allows; what the provider itself says is learnt. */
    limits: jsonb('limits').$type<ApiKeyLimits>().notNull().default({}),
    /** The provider's own id of this key, for matching statements. */
    upstreamKeyId: text('upstream_key_id'),
    status: text('status').notNull().default('active'),
    createdAt: instant('created_at').notNull().defaultNow(),
    updatedAt: instant('updated_at').notNull().defaultNow(),
    deletedAt: instant('deleted_at'),
  },
  (table) => [
    index('provider_key_by_tenant').on(table.tenantId, table.id),
    uniqueIndex('provider_key_name')
      .on(table.tenantId, table.name)
      .where(sql`deleted_at is null`),
  ],
);

export const apiKey = pgTable(
  'api_key',
  {
    id: text('id').primaryKey(),
    tenantId: text('tenant_id')
      .notNull()
      .references(() => tenant.id),
    name: text('name').notNull(),
    /** SHA-256 of the key, which has 190 random bits and so needs no slow hash. */
    keyHash: bytea('key_hash').notNull(),
    last4: text('last4').notNull(),
    scopes: text('scopes').array().notNull(),
    models: text('models').array(),
    team: text('team'),
    feature: text('feature'),
    tags: jsonb('tags').$type<Record<string, string>>().notNull(),
    allowOverride: boolean('allow_override').notNull(),
    limits: jsonb('limits').$type<ApiKeyLimits>().notNull(),
    expiresAt: instant('expires_at'),
    createdAt: instant('created_at').notNull().defaultNow(),
    updatedAt: instant('updated_at').notNull().defaultNow(),
    deletedAt: instant('deleted_at'),
  },
  (table) => [
    uniqueIndex('api_key_hash').on(table.keyHash),
    index('api_key_by_tenant').on(table.tenantId, table.id),
  ],
);

export const route = pgTable(
  'route',
  {
    tenantId: text('tenant_id')
      .notNull()
      .references(() => tenant.id),
    name: text('name').notNull(),
    /** The route's contract body without its name, as it was validated. */
    definition: jsonb('definition').notNull(),
    createdAt: instant('created_at').notNull().defaultNow(),
    updatedAt: instant('updated_at').notNull().defaultNow(),
  },
  (table) => [primaryKey({ columns: [table.tenantId, table.name] })],
);
