import { sql } from 'drizzle-orm';
import {
  bigint,
  boolean,
  index,
  integer,
  jsonb,
  pgTable,
  text,
  timestamp,
  uniqueIndex,
} from 'drizzle-orm/pg-core';
import { bytea } from './tenancy.ts';

const instant = (name: string) => timestamp(name, { withTimezone: true, mode: 'date' });

/**
 * Jobs and lines of batches (`libs/domain/work-item.ts`). Kept narrow: each is written three times in its
 * life, and what is long and never changes lies beside it.
 */
export const workItem = pgTable(
  'work_item',
  {
    id: text('id').primaryKey(),
    tenantId: text('tenant_id').notNull(),
    apiKeyId: text('api_key_id').notNull(),
    lane: text('lane').notNull(),
    /** The flow it shares in: what it is accounted to, empty for none. */
    team: text('team').notNull(),
    feature: text('feature').notNull(),
    requestedModel: text('requested_model').notNull(),
    surface: text('surface').notNull(),
    batchId: text('batch_id'),
    lineNumber: integer('line_number'),
    customId: text('custom_id'),
    state: text('state').notNull(),
    /** Attempts claimed so far, and how many of them are known to have called nobody. */
    attempts: integer('attempts').notNull().default(0),
    uncalled: integer('uncalled').notNull().default(0),
    /** Times it came back to the feeder. */
    rounds: integer('rounds').notNull().default(0),
    notBefore: instant('not_before'),
    estimatedInputTokens: integer('estimated_input_tokens').notNull(),
    estimatedOutputTokens: integer('estimated_output_tokens').notNull(),
    deadlineAt: instant('deadline_at').notNull(),
    createdAt: instant('created_at').notNull(),
    startedAt: instant('started_at'),
    endedAt: instant('ended_at'),
    /** The worker of the attempt under way, and what it is (`workClaim` in `libs/domain/work-ports.ts`). */
    workerId: text('worker_id'),
    claim: jsonb('claim'),
    cancelRequested: boolean('cancel_requested').notNull().default(false),
    onUnknown: text('on_unknown').notNull(),
    possibleDuplicateCharge: boolean('possible_duplicate_charge').notNull().default(false),
    /** The answer's status and where it came from; the error where there is none (`wireError`). */
    answer: jsonb('answer'),
    error: jsonb('error'),
  },
  (table) => [
    index('work_item_backlog')
      .on(table.lane, table.tenantId, table.requestedModel, table.team, table.feature, table.id)
      .where(sql`state = 'queued'`),
    index('work_item_running')
      .on(table.workerId)
      .where(sql`state = 'in_progress'`),
    index('work_item_deadline')
      .on(table.deadlineAt)
      .where(sql`state in ('queued', 'in_progress')`),
    index('work_item_jobs')
      .on(table.tenantId, table.id)
      .where(sql`batch_id is null`),
    index('work_item_open_lines')
      .on(table.batchId)
      .where(sql`batch_id is not null and state in ('queued', 'in_progress')`),
    uniqueIndex('work_item_line')
      .on(table.batchId, table.lineNumber)
      .where(sql`batch_id is not null`),
  ],
);

/** What an item was asked with, unchanging: labels and options in the clear, the body sealed. */
export const workRequest = pgTable('work_request', {
  workItemId: text('work_item_id').primaryKey(),
  /** `workOptions` in `libs/domain/work-ports.ts`. */
  options: jsonb('options').notNull(),
  dataKeyVersion: integer('data_key_version').notNull(),
  sealed: bytea('sealed').notNull(),
});

/** An answer, sealed; gone when it is no longer kept. */
export const workAnswer = pgTable('work_answer', {
  workItemId: text('work_item_id').primaryKey(),
  dataKeyVersion: integer('data_key_version').notNull(),
  sealed: bytea('sealed').notNull(),
});

/** What a job has that a line of a batch has not. */
export const job = pgTable(
  'job',
  {
    id: text('id').primaryKey(),
    tenantId: text('tenant_id').notNull(),
    metadata: jsonb('metadata').$type<Record<string, string>>().notNull(),
    idempotencyKey: text('idempotency_key'),
    /** SHA-256 of the request, by which a repeated key is known to mean the same. */
    requestHash: bytea('request_hash').notNull(),
    /** Where the end is told. */
    webhookEndpointId: text('webhook_endpoint_id'),
    /** How long the answer is kept after the end; 0 until it was fetched once. */
    resultSeconds: integer('result_seconds').notNull(),
    /** When the answer was dropped. */
    forgottenAt: instant('forgotten_at'),
  },
  (table) => [
    uniqueIndex('job_idempotency_key')
      .on(table.tenantId, table.idempotencyKey)
      .where(sql`idempotency_key is not null`),
  ],
);

/** Workers that hold items, each counting as long as it lives. */
export const workerBeat = pgTable('worker_beat', {
  workerId: text('worker_id').primaryKey(),
  beats: bigint('beats', { mode: 'number' }).notNull(),
  beatAt: instant('beat_at').notNull(),
});

/** What one process at a time may do. */
export const lease = pgTable('lease', {
  name: text('name').primaryKey(),
  holder: text('holder').notNull(),
  expiresAt: instant('expires_at').notNull(),
});
