import type { PoolClient } from 'pg';
import { wireError, type WireError } from '#contracts/attempt-line';
import type { RequestId, TenantId, WorkItemId } from '#contracts/ids';
import { surfaceId, type SurfaceId } from '#contracts/vocabulary';
import { requestIdOf, type WorkState } from '#domain/work-item';
import type { EndedItem, NewWorkItem, SealedBytes } from '#domain/work-ports';
import { isUniqueViolation } from './constraint.ts';
import type { Database } from './database.ts';
import { storableJson } from './storable-text.ts';
import { inTransaction } from './transaction.ts';
import { closeItems } from './work-closing.ts';
import { insertWorkItems } from './work-insert.ts';

export type NewJob = {
  item: NewWorkItem;
  metadata: Readonly<Record<string, string>>;
  idempotencyKey: string | null;
  requestHash: Buffer;
  webhookEndpointId: string | null;
  resultSeconds: number;
};

export type StoredJob = {
  id: WorkItemId;
  requestId: RequestId;
  surface: SurfaceId;
  model: string;
  state: WorkState;
  attempts: number;
  metadata: Record<string, string>;
  createdAt: Date;
  startedAt: Date | null;
  endedAt: Date | null;
  deadlineAt: Date;
  cancelRequested: boolean;
  possibleDuplicateCharge: boolean;
  status: number | null;
  error: WireError | null;
  resultSeconds: number;
  forgottenAt: Date | null;
  requestHash: Buffer;
};

type Row = {
  id: string;
  surface: string;
  requested_model: string;
  state: WorkState;
  attempts: number;
  metadata: Record<string, string>;
  created_at: Date;
  started_at: Date | null;
  ended_at: Date | null;
  deadline_at: Date;
  cancel_requested: boolean;
  possible_duplicate_charge: boolean;
  answer: { status: number } | null;
  error: unknown;
  result_seconds: number;
  forgotten_at: Date | null;
  request_hash: Buffer;
};

const SELECT = `
  select item.*, job.metadata, job.result_seconds, job.forgotten_at, job.request_hash
  from job join work_item as item on item.id = job.id`;

const decode = (row: Row): StoredJob => ({
  id: row.id as WorkItemId,
  requestId: requestIdOf(row.id as WorkItemId),
  surface: surfaceId.parse(row.surface),
  model: row.requested_model,
  state: row.state,
  attempts: row.attempts,
  metadata: row.metadata,
  createdAt: row.created_at,
  startedAt: row.started_at,
  endedAt: row.ended_at,
  deadlineAt: row.deadline_at,
  cancelRequested: row.cancel_requested,
  possibleDuplicateCharge: row.possible_duplicate_charge,
  status: row.answer?.status ?? null,
  error: row.error === null ? null : wireError.parse(row.error),
  resultSeconds: row.result_seconds,
  forgottenAt: row.forgotten_at,
  requestHash: row.request_hash,
});

const insertJob = async (client: PoolClient, created: NewJob): Promise<void> => {
  const { item } = created;
  await client.query(
    `insert into job (id, tenant_id, metadata, idempotency_key, request_hash, webhook_endpoint_id, result_seconds)
     values ($1, $2, $3, $4, $5, $6, $7)`,
    [
      item.id,
      item.tenantId,
      storableJson(created.metadata),
      created.idempotencyKey,
      created.requestHash,
      created.webhookEndpointId,
      created.resultSeconds,
    ],
  );
  await insertWorkItems(client, [item]);
};

/** Jobs, each its tenant's own. Rejects with the driver's error when the store is down. */
export const createJobStore = (database: Database) => {
  const find = async (tenantId: TenantId, id: WorkItemId): Promise<StoredJob | null> => {
    const { rows } = await database.pool.query<Row>(`${SELECT} where job.id = $1 and job.tenant_id = $2`, [
      id,
      tenantId,
    ]);
    const [row] = rows;
    return row === undefined ? null : decode(row);
  };

  return {
    find,

    /** Takes a job on, or resolves to the one that the same key of the tenant's took on before. */
    insert: async (created: NewJob): Promise<{ job: StoredJob; isNew: boolean }> => {
      const { id, tenantId } = created.item;
      try {
        await inTransaction(database, (client) => insertJob(client, created));
      } catch (error) {
        if (created.idempotencyKey === null || !isUniqueViolation(error)) throw error;
        const { rows } = await database.pool.query<Row>(
          `${SELECT} where job.tenant_id = $1 and job.idempotency_key = $2`,
          [tenantId, created.idempotencyKey],
        );
        const [row] = rows;
        if (row === undefined) throw error;
        return { job: decode(row), isNew: false };
      }
      const job = await find(tenantId, id);
      if (job === null) throw new Error('the job was not inserted');
      return { job, isNew: true };
    },

    /** The newest first. */
    list: async (
      tenantId: TenantId,
      page: { limit: number; beforeId: string | null; state: WorkState | null },
    ): Promise<StoredJob[]> => {
      const { rows } = await database.pool.query<Row>(
        `${SELECT} where item.tenant_id = $1 and item.batch_id is null
           and ($2::text is null or item.id < $2) and ($3::text is null or item.state = $3)
         order by item.id desc limit $4`,
        [tenantId, page.beforeId, page.state, page.limit],
      );
      return rows.map(decode);
    },

    answer: async (id: WorkItemId): Promise<SealedBytes | null> => {
      const { rows } = await database.pool.query<{ data_key_version: number; sealed: Buffer }>(
        'select data_key_version, sealed from work_answer where work_item_id = $1',
        [id],
      );
      const [row] = rows;
      return row === undefined ? null : { dataKeyVersion: row.data_key_version, sealed: row.sealed };
    },

    /** Drops an answer for good. */
    forget: (id: WorkItemId): Promise<void> =>
      inTransaction(database, async (client) => {
        await client.query('delete from work_answer where work_item_id = $1', [id]);
        await client.query('update job set forgotten_at = now() where id = $1 and forgotten_at is null', [
          id,
        ]);
      }),

    /**
     * Ends a job that no worker has, and marks one under way to be given up; one that has ended stays as it
     * is. Resolves to whether it ended by this.
     */
    cancel: (tenantId: TenantId, id: WorkItemId, error: WireError): Promise<EndedItem[]> =>
      inTransaction(database, async (client) => {
        const { rows } = await client.query<{
          id: string;
          tenant_id: string;
          batch_id: string | null;
          state: string;
        }>(
          `update work_item
           set cancel_requested = true,
             state = case when state = 'queued' then 'cancelled' else state end,
             ended_at = case when state = 'queued' then now() else ended_at end,
             error = case when state = 'queued' then $3 else error end
           where id = $1 and tenant_id = $2 and batch_id is null and state in ('queued', 'in_progress')
           returning id, tenant_id, batch_id, state`,
          [id, tenantId, storableJson(error)],
        );
        return closeItems(
          client,
          rows.filter(({ state }) => state === 'cancelled'),
        );
      }),
  };
};
export type JobStore = ReturnType<typeof createJobStore>;
