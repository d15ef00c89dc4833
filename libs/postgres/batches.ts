import type { PoolClient } from 'pg';
import type { WireError } from '#contracts/attempt-line';
import type { BatchId, FileId, TenantId } from '#contracts/ids';
import type { BatchError, BatchStatus, LastBatchStatus, LineCounts } from '#domain/batch';
import type { WorkState } from '#domain/work-item';
import type { NewWorkItem } from '#domain/work-ports';
import {
  decodeBatch,
  decodeEndedLine,
  LINES_OF_KIND,
  type BatchDialect,
  type BatchRow,
  type EndedLine,
  type EndedLineRow,
  type LineKind,
  type NewBatch,
  type StoredBatch,
} from './batch-rows.ts';
import type { Database } from './database.ts';
import { insertOutputFile } from './files.ts';
import { storableJson } from './storable-text.ts';
import { inTransaction, inWideTransaction } from './transaction.ts';
import { closeItems } from './work-closing.ts';
import { insertWorkItems } from './work-insert.ts';

const INSERT_AT_ONCE = 500;

/** Ends the lines nobody works on, and marks the others to be given up. */
const cancelLines = async (client: PoolClient, id: string, error: WireError): Promise<void> => {
  const { rows } = await client.query<{
    id: string;
    tenant_id: string;
    batch_id: string;
    state: string;
  }>(
    `with target as (
       select id from work_item where batch_id = $1 and state in ('queued', 'in_progress') order by id for update
     )
     update work_item as item
     set cancel_requested = true,
       state = case when item.state = 'queued' then 'cancelled' else item.state end,
       ended_at = case when item.state = 'queued' then now() else item.ended_at end,
       error = case when item.state = 'queued' then $2 else item.error end
     from target where item.id = target.id and item.state in ('queued', 'in_progress')
     returning item.id, item.tenant_id, item.batch_id, item.state`,
    [id, storableJson(error)],
  );
  await closeItems(
    client,
    rows.filter(({ state }) => state === 'cancelled'),
  );
};

/** Batches, each its tenant's own. Rejects with the driver's error when the store is down. */
export const createBatchStore = (database: Database) => {
  const { pool } = database;

  const countLines = async (id: BatchId): Promise<LineCounts> => {
    const { rows } = await pool.query<{ state: WorkState; count: string }>({
      text: 'select state, count(*) from work_item where batch_id = $1 group by state',
      values: [id],
    });
    return Object.fromEntries(rows.map(({ state, count }) => [state, Number(count)]));
  };

  return {
    countLines,

    insert: async (created: NewBatch): Promise<StoredBatch> => {
      const { rows } = await pool.query<BatchRow>(
        `insert into batch (id, tenant_id, api_key_id, dialect, status, endpoint, completion_window,
           input_file_id, metadata, options, output_seconds, created_at, deadline_at)
         values ($1, $2, $3, $4, 'validating', $5, $6, $7, $8, $9, $10, $11, $12) returning *`,
        [
          created.id,
          created.tenantId,
          created.apiKeyId,
          created.dialect,
          created.endpoint,
          created.completionWindow,
          created.inputFileId,
          created.metadata === null ? null : storableJson(created.metadata),
          storableJson(created.options),
          created.outputSeconds,
          created.createdAt,
          created.deadlineAt,
        ],
      );
      const [row] = rows;
      if (row === undefined) throw new Error('the batch was not inserted');
      return decodeBatch(row);
    },

    find: async (tenantId: TenantId, dialect: BatchDialect, id: string): Promise<StoredBatch | null> => {
      const { rows } = await pool.query<BatchRow>(
        'select * from batch where id = $1 and tenant_id = $2 and dialect = $3',
        [id, tenantId, dialect],
      );
      const [row] = rows;
      return row === undefined ? null : decodeBatch(row);
    },

    /** The newest first. */
    list: async (
      tenantId: TenantId,
      dialect: BatchDialect,
      page: { beforeId: string | null; limit: number },
    ): Promise<StoredBatch[]> => {
      const { rows } = await pool.query<BatchRow>(
        `select * from batch where tenant_id = $1 and dialect = $2 and ($3::text is null or id < $3)
         order by id desc limit $4`,
        [tenantId, dialect, page.beforeId, page.limit],
      );
      return rows.map(decodeBatch);
    },

    /** Those that the coordinator has to look at. */
    open: async (limit: number): Promise<StoredBatch[]> => {
      const { rows } = await pool.query<BatchRow>(
        `select * from batch where ended_at is null order by created_at limit $1`,
        [limit],
      );
      return rows.map(decodeBatch);
    },

    hasOpenLines: async (id: BatchId): Promise<boolean> => {
      const { rowCount } = await pool.query(
        `select from work_item where batch_id = $1 and state in ('queued', 'in_progress') limit 1`,
        [id],
      );
      return rowCount === 1;
    },

    /** Ends a batch whose input is not what it must be. */
    refuse: async (id: BatchId, errors: readonly BatchError[]): Promise<void> => {
      await pool.query(
        `update batch set status = 'failed', errors = $2, ended_at = now() where id = $1 and status = 'validating'`,
        [id, storableJson(errors)],
      );
    },

    /**
     * Takes on all lines at once and lets the batch begin; nothing where it was cancelled meanwhile. `items`
     * are taken as they come, so that a long file is never held as a whole.
     */
    begin: (
      batch: StoredBatch,
      lines: number,
      files: { output: FileId; error: FileId } | null,
      items: AsyncIterable<NewWorkItem>,
      cancelled: WireError,
    ): Promise<void> =>
      inTransaction(database, async (client) => {
        const { rows } = await client.query<{ status: BatchStatus }>(
          `update batch set in_progress_at = now(), lines = $2, output_file_id = $3, error_file_id = $4,
             status = case when status = 'validating' then 'in_progress' else status end
           where id = $1 and in_progress_at is null
             and (status = 'validating' or status = 'cancelling' and dialect = 'anthropic')
           returning status`,
          [batch.id, lines, files?.output ?? null, files?.error ?? null],
        );
        const [begun] = rows;
        if (begun === undefined) return;
        if (files !== null) {
          for (const [kind, id] of [
            ['output', files.output],
            ['error', files.error],
          ] as const) {
            await insertOutputFile(client, {
              id,
              tenantId: batch.tenantId,
              purpose: 'batch_output',
              filename: `${batch.id}_${kind}.jsonl`,
              batchId: batch.id,
              createdAt: new Date(),
              expiresAt: null,
            });
          }
        }
        let held: NewWorkItem[] = [];
        for await (const item of items) {
          held.push(item);
          if (held.length < INSERT_AT_ONCE) continue;
          await insertWorkItems(client, held);
          held = [];
        }
        await insertWorkItems(client, held);
        if (begun.status === 'cancelling') await cancelLines(client, batch.id, cancelled);
      }),

    /** Ends the lines nobody works on, and marks the others to be given up. False where the batch has ended. */
    cancel: (tenantId: TenantId, dialect: BatchDialect, id: BatchId, error: WireError): Promise<boolean> =>
      inWideTransaction(database, async (client) => {
        const { rowCount } = await client.query(
          `update batch set status = 'cancelling', cancelling_at = now()
           where id = $1 and tenant_id = $2 and dialect = $3 and status in ('validating', 'in_progress')`,
          [id, tenantId, dialect],
        );
        if (rowCount === 0) return false;
        await cancelLines(client, id, error);
        return true;
      }),

    finalize: async (id: BatchId): Promise<void> => {
      await pool.query(
        `update batch set finalizing_at = now(), waiting_on = null,
           status = case when status = 'cancelling' then status else 'finalizing' end
         where id = $1 and status in ('in_progress', 'cancelling') and finalizing_at is null`,
        [id],
      );
    },

    /** `files`: the sizes of the batch's files; one that has no line is dropped. */
    end: (
      batch: StoredBatch,
      status: LastBatchStatus,
      files: readonly { id: FileId; kind: 'output' | 'error'; bytes: number }[],
    ): Promise<void> =>
      inTransaction(database, async (client) => {
        const expiresAt = new Date(Date.now() + batch.outputSeconds * 1_000);
        for (const { id, kind, bytes } of files) {
          await client.query(
            `update stored_file set bytes = $2, expires_at = $3,
               deleted_at = case when $2::bigint = 0 then now() else deleted_at end where id = $1`,
            [id, bytes, expiresAt],
          );
          if (bytes > 0) continue;
          const column = kind === 'output' ? 'output_file_id' : 'error_file_id';
          await client.query(`update batch set ${column} = null where id = $1`, [batch.id]);
        }
        await client.query(
          `update batch set status = $2, ended_at = now(), waiting_on = null where id = $1 and ended_at is null`,
          [batch.id, status],
        );
      }),

    setWaitingOn: async (id: BatchId, waitingOn: object | null): Promise<void> => {
      await pool.query('update batch set waiting_on = $2 where id = $1 and ended_at is null', [
        id,
        waitingOn === null ? null : storableJson(waitingOn),
      ]);
    },

    /** The number of the last line; 0 before the lines were taken on. */
    lastLine: async (id: BatchId): Promise<number> => {
      const { rows } = await pool.query<{ last: number | null }>(
        'select max(line_number) as last from work_item where batch_id = $1',
        [id],
      );
      return rows[0]?.last ?? 0;
    },

    /**
     * The ended ones of the lines after one and up to another, in the order of the input. By a range of
     * numbers, and not by a count: whatever the planner believes of the table, it reads no more than these.
     */
    endedLines: async (id: BatchId, kind: LineKind, after: number, upTo: number): Promise<EndedLine[]> => {
      const { rows } = await pool.query<EndedLineRow>(
        `select item.line_number, item.custom_id, item.id, item.surface, item.state, item.answer,
            item.error, kept.data_key_version, kept.sealed
          from work_item as item left join work_answer as kept on kept.work_item_id = item.id
          where item.batch_id = $1 and item.line_number > $2 and item.line_number <= $3
            and ${LINES_OF_KIND[kind]}
          order by item.line_number`,
        [id, after, upTo],
      );
      return rows.map(decodeEndedLine);
    },

    /** Drops the answers of batches that are past their time. */
    tidy: async (): Promise<void> => {
      await pool.query(
        `delete from work_answer where work_item_id in (
           select item.id from work_item as item join batch on batch.id = item.batch_id
           where batch.ended_at + batch.output_seconds * interval '1 second' < now() and item.state = 'completed'
             and exists (select from work_answer where work_item_id = item.id)
           limit 10000)`,
      );
    },
  };
};
export type BatchStore = ReturnType<typeof createBatchStore>;
