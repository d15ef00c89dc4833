import { sql } from 'drizzle-orm';
import { bigint, index, integer, jsonb, pgTable, primaryKey, text, timestamp } from 'drizzle-orm/pg-core';
import { bytea } from './tenancy.ts';

const instant = (name: string) => timestamp(name, { withTimezone: true, mode: 'date' });

/** Files of the files API: uploads, and what batches put out, which is read from their lines. */
export const storedFile = pgTable(
  'stored_file',
  {
    id: text('id').primaryKey(),
    tenantId: text('tenant_id').notNull(),
    purpose: text('purpose').notNull(),
    filename: text('filename').notNull(),
    /** Null while it is being written, or grows with its batch. */
    bytes: bigint('bytes', { mode: 'number' }),
    /** The batch whose lines it consists of; null for an upload. */
    batchId: text('batch_id'),
    createdAt: instant('created_at').notNull(),
    expiresAt: instant('expires_at'),
    deletedAt: instant('deleted_at'),
  },
  (table) => [
    index('stored_file_by_tenant').on(table.tenantId, table.id),
    index('stored_file_expiry')
      .on(table.expiresAt)
      .where(sql`expires_at is not null and deleted_at is null`),
  ],
);

/** An upload's bytes, in sealed parts of one size but the last. */
export const filePart = pgTable(
  'file_part',
  {
    fileId: text('file_id').notNull(),
    part: integer('part').notNull(),
    dataKeyVersion: integer('data_key_version').notNull(),
    sealed: bytea('sealed').notNull(),
  },
  (table) => [primaryKey({ columns: [table.fileId, table.part] })],
);

/** Batches of both dialects (`libs/domain/batch.ts`); their lines are work items. */
export const batch = pgTable(
  'batch',
  {
    id: text('id').primaryKey(),
    tenantId: text('tenant_id').notNull(),
    apiKeyId: text('api_key_id').notNull(),
    /** `openai` or `anthropic`. */
    dialect: text('dialect').notNull(),
    status: text('status').notNull(),
    endpoint: text('endpoint').notNull(),
    completionWindow: text('completion_window').notNull(),
    inputFileId: text('input_file_id').notNull(),
    outputFileId: text('output_file_id'),
    errorFileId: text('error_file_id'),
    metadata: jsonb('metadata').$type<Record<string, string>>(),
    /** Whom the lines are accounted to, and what else they share. */
    options: jsonb('options').notNull(),
    /** What is wrong with the input: `{code, line, message, param}` each. */
    errors: jsonb('errors'),
    lines: integer('lines').notNull().default(0),
    /** Why its lines wait, where they wait for more than their turn. */
    waitingOn: jsonb('waiting_on'),
    /** When results are dropped, seconds after the end. */
    outputSeconds: integer('output_seconds').notNull(),
    createdAt: instant('created_at').notNull(),
    deadlineAt: instant('deadline_at').notNull(),
    inProgressAt: instant('in_progress_at'),
    finalizingAt: instant('finalizing_at'),
    cancellingAt: instant('cancelling_at'),
    /** When it reached its last status. */
    endedAt: instant('ended_at'),
  },
  (table) => [
    index('batch_by_tenant').on(table.tenantId, table.dialect, table.id),
    index('batch_open')
      .on(table.status)
      .where(sql`ended_at is null`),
  ],
);
