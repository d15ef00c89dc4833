import { sql } from 'drizzle-orm';
import { boolean, index, integer, jsonb, pgTable, primaryKey, text, timestamp } from 'drizzle-orm/pg-core';

const instant = (name: string) => timestamp(name, { withTimezone: true, mode: 'date' });

/** Batches at providers (`libs/domain/native-batch.ts`). */
export const nativeBatch = pgTable(
  'native_batch',
  {
    id: text('id').primaryKey(),
    tenantId: text('tenant_id').notNull(),
    /** The batch of flo2's that its lines are of. */
    batchId: text('batch_id').notNull(),
    provider: text('provider').notNull(),
    providerKeyId: text('provider_key_id').notNull(),
    model: text('model').notNull(),
    /** The path and the headers that all its lines share. */
    path: text('path').notNull(),
    headers: jsonb('headers').notNull(),
    lines: integer('lines').notNull(),
    windowHours: integer('window_hours').notNull(),
    state: text('state').notNull(),
    mayExist: boolean('may_exist').notNull().default(false),
    askedAt: instant('asked_at'),
    refusals: integer('refusals').notNull().default(0),
    failures: integer('failures').notNull().default(0),
    isAbandoned: boolean('is_abandoned').notNull().default(false),
    /** What the provider calls it, with what its driver keeps; null before it was made. */
    reference: jsonb('reference'),
    /** What the last look showed: the provider's word for its status, counts, errors. */
    observed: jsonb('observed'),
    /** Why the last step failed: a code of the catalogue. */
    lastError: text('last_error'),
    createdAt: instant('created_at').notNull(),
    escalateAt: instant('escalate_at').notNull(),
    abandonAt: instant('abandon_at').notNull(),
    forgetAt: instant('forget_at').notNull(),
    nextLookAt: instant('next_look_at').notNull(),
    /** When it was seen to have ended: what its lines' events say, however often they are told. */
    endedAt: instant('ended_at'),
    settledAt: instant('settled_at'),
  },
  (table) => [
    index('native_batch_open')
      .on(table.nextLookAt)
      .where(sql`settled_at is null`),
    index('native_batch_by_batch').on(table.batchId),
    index('native_batch_by_key').on(table.providerKeyId, table.createdAt),
  ],
);

/** The lines of one, and the attempts that they are there; gone when it is settled. */
export const nativeBatchLine = pgTable(
  'native_batch_line',
  {
    nativeBatchId: text('native_batch_id').notNull(),
    workItemId: text('work_item_id').notNull(),
    attemptId: text('attempt_id').notNull(),
    attemptNumber: integer('attempt_number').notNull(),
    /** `dispatchHeader`: what the attempt's event tells of its request, whatever became of the line since. */
    header: jsonb('header').notNull(),
    claimedAt: instant('claimed_at').notNull(),
    /** Whether its event is told and its result recorded. */
    isRecorded: boolean('is_recorded').notNull().default(false),
  },
  (table) => [primaryKey({ columns: [table.nativeBatchId, table.workItemId] })],
);
