import { sql } from 'drizzle-orm';
import {
  bigint,
  boolean,
  check,
  index,
  integer,
  jsonb,
  pgTable,
  primaryKey,
  text,
  timestamp,
  uuid,
} from 'drizzle-orm/pg-core';

/*
 * The ledger's own tables (`usage_event`, `usage_charge`, `usage_adjustment`, `usage_hour`, `usage_day`) and
 * the view `usage_entry` are partitioned, of a fixed collation and guarded by triggers, none of which can
 * be said here: they are written by hand in the migration whose name ends in `_ledger.sql`.
 */

const instant = (name: string) => timestamp(name, { withTimezone: true, mode: 'date' });
const whole = (name: string) => bigint(name, { mode: 'bigint' });

/**
 * Which messages of which stream have been handled; rows that touch are merged now and then. A stream that
 * was made anew has another name here, since it counts from 1 again. Replicas of metering get messages in
 * turn, so a batch may have a gap after each of them: it is one row all the same, with its runs in arrays.
 */
export const recordedRange = pgTable(
  'recorded_range',
  {
    id: whole('id').primaryKey().generatedAlwaysAsIdentity(),
    /** The stream's name and the instant it was made. */
    stream: text('stream').notNull(),
    firstSequence: whole('first_sequence').notNull(),
    /** Inclusive. */
    lastSequence: whole('last_sequence').notNull(),
    /** Of each run without a gap, ascending; null where all from the first to the last were handled. */
    runFirsts: whole('run_firsts').array(),
    /** Inclusive. */
    runLasts: whole('run_lasts').array(),
    recordedAt: instant('recorded_at').notNull(),
  },
  (table) => [
    index('recorded_range_by_sequence').on(table.stream, table.firstSequence),
    index('recorded_range_by_recording').on(table.recordedAt),
    check('recorded_range_order', sql`${table.firstSequence} <= ${table.lastSequence}`),
    check(
      'recorded_range_runs',
      sql`cardinality(${table.runFirsts}) is not distinct from cardinality(${table.runLasts})`,
    ),
  ],
);

/** One row: how far the ledger's upkeep has come. */
export const ledgerState = pgTable(
  'ledger_state',
  {
    only: boolean('only').primaryKey().default(true),
    /** Events and charges of attempts begun before this were dropped; the sums of their hours stay. */
    droppedBefore: instant('dropped_before'),
    /** Every hour touched by what was recorded up to here has been compared with its events. */
    verifiedUntil: instant('verified_until'),
  },
  (table) => [check('ledger_state_only', sql`${table.only}`)],
);

/** An hour whose sums were found to differ from its events. */
export const rollupMismatch = pgTable(
  'rollup_mismatch',
  {
    id: whole('id').primaryKey().generatedAlwaysAsIdentity(),
    tenantId: text('tenant_id').notNull(),
    hour: instant('hour').notNull(),
    seriesKey: uuid('series_key').notNull(),
    /** `{measure: [in the rollup, by the events]}`. */
    differences: jsonb('differences').notNull(),
    foundAt: instant('found_at').notNull().defaultNow(),
    repairedAt: instant('repaired_at'),
  },
  (table) => [index('rollup_mismatch_by_hour').on(table.hour)],
);

/** A re-pricing that was asked for, and how far it has come. */
export const repricing = pgTable('repricing', {
  id: text('id').primaryKey(),
  /** Null for every tenant. */
  tenantId: text('tenant_id'),
  provider: text('provider'),
  model: text('model'),
  onlyUnpriced: boolean('only_unpriced').notNull(),
  from: instant('from_time').notNull(),
  to: instant('to_time').notNull(),
  reason: text('reason').notNull(),
  /** The last attempt it has looked at. */
  position: text('position'),
  examined: integer('examined').notNull().default(0),
  changed: integer('changed').notNull().default(0),
  createdAt: instant('created_at').notNull().defaultNow(),
  finishedAt: instant('finished_at'),
});

/**
 * Events that cannot enter the ledger as they are, kept to be looked at. The hash is in the key because a
 * stream that was made anew counts its sequence from 1 again.
 */
export const eventQuarantine = pgTable(
  'event_quarantine',
  {
    streamSequence: whole('stream_sequence').notNull(),
    /** SHA-256 of the message as it came. */
    payloadHash: text('payload_hash').notNull(),
    attemptId: text('attempt_id'),
    reason: text('reason').notNull(),
    payload: text('payload').notNull(),
    receivedAt: instant('received_at').notNull().defaultNow(),
  },
  (table) => [
    primaryKey({ columns: [table.streamSequence, table.payloadHash] }),
    index('event_quarantine_by_time').on(table.receivedAt),
  ],
);
