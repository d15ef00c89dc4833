import { sql } from 'drizzle-orm';
import {
  check,
  index,
  integer,
  jsonb,
  numeric,
  pgTable,
  primaryKey,
  text,
  timestamp,
} from 'drizzle-orm/pg-core';
import type { BudgetScope } from '#contracts/budget';
import { tenant } from './tenancy.ts';
import { webhookEndpoint } from './webhook.ts';

const instant = (name: string) => timestamp(name, { withTimezone: true, mode: 'date' });
/** Pico-dollars without an end: a sum must not be able to overflow and so stop the ledger. */
const picoUsd = (name: string) => numeric(name, { precision: 38, scale: 0, mode: 'bigint' });

export const budget = pgTable(
  'budget',
  {
    id: text('id').primaryKey(),
    tenantId: text('tenant_id')
      .notNull()
      .references(() => tenant.id),
    scope: jsonb('scope').$type<BudgetScope>().notNull(),
    period: text('period').notNull(),
    timeZone: text('time_zone').notNull(),
    limitPicoUsd: picoUsd('limit_pico_usd').notNull(),
    mode: text('mode').notNull(),
    /** Percent of the limit, ascending. */
    alerts: integer('alerts').array().notNull(),
    onUnpriced: text('on_unpriced').notNull(),
    assumedOutputTokens: integer('assumed_output_tokens').notNull(),
    /** Where alerts are told. */
    webhookEndpointId: text('webhook_endpoint_id').references(() => webhookEndpoint.id),
    createdAt: instant('created_at').notNull().defaultNow(),
    updatedAt: instant('updated_at').notNull().defaultNow(),
    deletedAt: instant('deleted_at'),
  },
  (table) => [index('budget_by_tenant').on(table.tenantId, table.id)],
);

/** Where a budget stands in one of its windows. See `libs/domain/budget-lease.ts`. */
export const budgetWindow = pgTable(
  'budget_window',
  {
    budgetId: text('budget_id')
      .notNull()
      .references(() => budget.id),
    windowStart: instant('window_start').notNull(),
    tenantId: text('tenant_id').notNull(),
    /** What recorded attempts cost. */
    spentPicoUsd: picoUsd('spent_pico_usd')
      .notNull()
      .default(sql`0`),
    /** The worst case of recorded attempts whose cost nobody knows. */
    uncertainPicoUsd: picoUsd('uncertain_pico_usd')
      .notNull()
      .default(sql`0`),
    /** The sum of the window's leases' `open`. */
    leasedPicoUsd: picoUsd('leased_pico_usd')
      .notNull()
      .default(sql`0`),
    /** The highest alert that was given, in percent. */
    alertedPercent: integer('alerted_percent').notNull().default(0),
  },
  (table) => [
    primaryKey({ columns: [table.budgetId, table.windowStart] }),
    check('budget_window_leased', sql`${table.leasedPicoUsd} >= 0`),
  ],
);

/** A part of a window that one process hands out by itself. */
export const budgetLease = pgTable(
  'budget_lease',
  {
    id: text('id').primaryKey(),
    budgetId: text('budget_id').notNull(),
    windowStart: instant('window_start').notNull(),
    tenantId: text('tenant_id').notNull(),
    /** The process. */
    owner: text('owner').notNull(),
    leasedPicoUsd: picoUsd('leased_pico_usd').notNull(),
    /** What is neither given back nor settled by recorded attempts. */
    openPicoUsd: picoUsd('open_pico_usd').notNull(),
    /** No request that holds a part of it may call a provider after this. */
    holdsUntil: instant('holds_until').notNull(),
    createdAt: instant('created_at').notNull().defaultNow(),
    /** Set with the amount and the reason where the lease was ended without its owner. */
    expiredAt: instant('expired_at'),
    expiredPicoUsd: picoUsd('expired_pico_usd'),
    expiredReason: text('expired_reason'),
  },
  (table) => [
    index('budget_lease_open')
      .on(table.holdsUntil)
      .where(sql`open_pico_usd > 0`),
    check('budget_lease_open_within', sql`${table.openPicoUsd} between 0 and ${table.leasedPicoUsd}`),
  ],
);
