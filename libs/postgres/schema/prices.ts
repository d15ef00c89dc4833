import { sql } from 'drizzle-orm';
import { bigint, check, integer, jsonb, pgTable, text, timestamp, unique } from 'drizzle-orm/pg-core';

const instant = (name: string) => timestamp(name, { withTimezone: true, mode: 'date' });
const whole = (name: string) => bigint(name, { mode: 'bigint' });

/** A source of prices as it was read once, and what became of it. Never changed but for its state. */
export const priceSnapshot = pgTable('price_snapshot', {
  id: text('id').primaryKey(),
  source: text('source').notNull(),
  version: text('version').notNull(),
  /** SHA-256 of what was read, hex. */
  hash: text('hash').notNull(),
  /** `applied`, `proposed`, `rejected`, or `superseded` by a newer reading of the same source. */
  state: text('state').notNull(),
  /** What it changes in the book, as it was when it was read. */
  changes: jsonb('changes').notNull(),
  readAt: instant('read_at').notNull().defaultNow(),
  decidedAt: instant('decided_at'),
  /** `bound` where it was applied because its changes are small. */
  decidedBy: text('decided_by'),
});

/** The price book: integer rates with the conditions and the interval they hold in and where they come from. */
export const price = pgTable(
  'price',
  {
    id: whole('id').primaryKey().generatedAlwaysAsIdentity(),
    provider: text('provider').notNull(),
    model: text('model').notNull(),
    /** A token class, or what is counted otherwise (`web_search`). */
    component: text('component').notNull(),
    tier: text('tier').notNull().default('standard'),
    /** Where the provider computes, in its own word; empty where that does not matter. */
    region: text('region').notNull().default(''),
    /** Pico-dollars per unit; for a token the same number as micro-dollars per million tokens. */
    ratePicoUsd: whole('rate_pico_usd').notNull(),
    /** The rate holds while all input tokens of the request together are within these, both inclusive. */
    inputTotalMin: whole('input_total_min')
      .notNull()
      .default(sql`0`),
    inputTotalMax: whole('input_total_max'),
    /** The rate holds for the component's units after the first so many of the request, up to so many. */
    quantityFrom: whole('quantity_from')
      .notNull()
      .default(sql`0`),
    quantityTo: whole('quantity_to'),
    /** The rate holds from this minute of the UTC day to that, which may be past midnight; null: all day. */
    dayMinuteFrom: integer('day_minute_from'),
    dayMinuteTo: integer('day_minute_to'),
    effectiveFrom: instant('effective_from').notNull(),
    effectiveTo: instant('effective_to'),
    /** Where the rate was read, its version there, and a hash of what was read. */
    source: text('source').notNull(),
    sourceVersion: text('source_version').notNull(),
    sourceHash: text('source_hash').notNull(),
    /** What the source itself refers to for this rate, or how the rate was derived. */
    reference: text('reference'),
    snapshotId: text('snapshot_id').references(() => priceSnapshot.id),
    createdAt: instant('created_at').notNull().defaultNow(),
  },
  (table) => [
    unique('price_key')
      .on(
        table.provider,
        table.model,
        table.component,
        table.tier,
        table.region,
        table.inputTotalMin,
        table.quantityFrom,
        table.dayMinuteFrom,
        table.effectiveFrom,
      )
      .nullsNotDistinct(),
    check('price_rate_not_negative', sql`${table.ratePicoUsd} >= 0`),
    check(
      'price_interval',
      sql`${table.effectiveTo} is null or ${table.effectiveTo} > ${table.effectiveFrom}`,
    ),
    check(
      'price_quantities',
      sql`${table.quantityFrom} >= 0 and (${table.quantityTo} is null or ${table.quantityTo} > ${table.quantityFrom})`,
    ),
    check(
      'price_day_minutes',
      sql`(${table.dayMinuteFrom} is null) = (${table.dayMinuteTo} is null)
        and (${table.dayMinuteFrom} is null or (${table.dayMinuteFrom} between 0 and 1439 and ${table.dayMinuteTo} between 0 and 1439))`,
    ),
  ],
);

/**
 * What a tenant has agreed with a provider. Two of one aim never overlap in time: a constraint of the
 * database, written by hand in the migration.
 */
export const negotiatedRate = pgTable(
  'negotiated_rate',
  {
    id: text('id').primaryKey(),
    tenantId: text('tenant_id').notNull(),
    provider: text('provider').notNull(),
    /** A glob over the model's name. */
    model: text('model').notNull(),
    /** Null for every component. */
    component: text('component'),
    /** Null for every key of the provider. */
    providerKeyId: text('provider_key_id'),
    /** `absolute`: value in pico-dollars per unit. `discount`: in millionths of a percent off the list rate. */
    kind: text('kind').notNull(),
    value: whole('value').notNull(),
    /** Further values from a volume on: `[{from, value}]`, both whole numbers as text. */
    volumeTiers: jsonb('volume_tiers').$type<{ from: string; value: string }[]>(),
    /** How long a volume is counted before it begins anew: `month` (UTC) or `term`. */
    volumePeriod: text('volume_period'),
    effectiveFrom: instant('effective_from').notNull(),
    effectiveTo: instant('effective_to'),
    createdAt: instant('created_at').notNull().defaultNow(),
    /** Taken back before it had begun. */
    deletedAt: instant('deleted_at'),
  },
  (table) => [
    check('negotiated_rate_kind', sql`${table.kind} in ('absolute', 'discount')`),
    check('negotiated_rate_value', sql`${table.value} >= 0`),
    check('negotiated_rate_volume', sql`(${table.volumeTiers} is null) = (${table.volumePeriod} is null)`),
  ],
);

/** How many units a rule with volume tiers has priced in a period; locked by whoever counts on. */
export const negotiatedVolume = pgTable(
  'negotiated_volume',
  {
    rateId: text('rate_id')
      .notNull()
      .references(() => negotiatedRate.id),
    periodStart: instant('period_start').notNull(),
    quantity: whole('quantity').notNull(),
  },
  (table) => [unique('negotiated_volume_key').on(table.rateId, table.periodStart)],
);
