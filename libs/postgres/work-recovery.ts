import type { ApiKeyId, TenantId, WorkItemId } from '#contracts/ids';
import { surfaceId, type SurfaceId } from '#contracts/vocabulary';
import type { OnUnknown } from '#domain/work-item';
import {
  workClaim,
  workOptions,
  type EndedItem,
  type QueuedLane,
  type WorkClaim,
  type WorkOptions,
} from '#domain/work-ports';
import type { Database } from './database.ts';
import { storableJson } from './storable-text.ts';
import { inTransaction } from './transaction.ts';
import { closeItems } from './work-closing.ts';

/** An attempt whose worker does not say any more that it lives. */
export type OrphanedItem = {
  id: WorkItemId;
  tenantId: TenantId;
  apiKeyId: ApiKeyId;
  lane: QueuedLane;
  surface: SurfaceId;
  requestedModel: string;
  attempts: number;
  claim: WorkClaim;
  options: WorkOptions;
  createdAtMs: number;
  deadlineAtMs: number;
  onUnknown: OnUnknown;
  possibleDuplicateCharge: boolean;
  cancelRequested: boolean;
};

type Orphan = Pick<OrphanedItem, 'id' | 'attempts'>;

type EndedRow = { id: string; tenant_id: string; batch_id: string | null };

/** What the reconciler reads and mends. Rejects with the driver's error when the store is down. */
export const createWorkRecovery = (database: Database) => ({
  /**
   * The workers that hold items, with how often each has said that it lives (0 for one that never did) and the
   * newest of the attempts that it claimed. What
   * providers' batches hold is mended by who leads those (`native-batches.ts`).
   */
  holders: async (): Promise<Map<string, { beats: number; newestClaim: string }>> => {
    const { rows } = await database.pool.query<{
      worker_id: string;
      newest: string | null;
      beats: string | null;
    }>(
      `select held.worker_id, held.newest, beat.beats
       from (select worker_id, max((claim ->> 'attemptId') collate "C") as newest from work_item
         where state = 'in_progress' and worker_id not like 'nbat\\_%' group by worker_id) as held
       left join worker_beat as beat using (worker_id)`,
    );
    return new Map(
      rows.map((row) => [row.worker_id, { beats: Number(row.beats ?? 0), newestClaim: row.newest ?? '' }]),
    );
  },

  /** What a worker still holds of the attempts up to `newestClaim`. */
  orphans: async (workerId: string, newestClaim: string, limit: number): Promise<OrphanedItem[]> => {
    const { rows } = await database.pool.query<{
      id: string;
      tenant_id: string;
      api_key_id: string;
      lane: QueuedLane;
      surface: string;
      requested_model: string;
      attempts: number;
      claim: unknown;
      options: unknown;
      created_at: Date;
      deadline_at: Date;
      on_unknown: OnUnknown;
      possible_duplicate_charge: boolean;
      cancel_requested: boolean;
    }>(
      `select item.*, request.options
       from work_item as item join work_request as request on request.work_item_id = item.id
       where item.worker_id = $1 and item.state = 'in_progress'
         and (item.claim ->> 'attemptId') collate "C" <= $2
       order by item.id limit $3`,
      [workerId, newestClaim, limit],
    );
    return rows.map((row) => ({
      id: row.id as WorkItemId,
      tenantId: row.tenant_id as TenantId,
      apiKeyId: row.api_key_id as ApiKeyId,
      lane: row.lane,
      surface: surfaceId.parse(row.surface),
      requestedModel: row.requested_model,
      attempts: row.attempts,
      claim: workClaim.parse(row.claim),
      options: workOptions.parse(row.options),
      createdAtMs: row.created_at.getTime(),
      deadlineAtMs: row.deadline_at.getTime(),
      onUnknown: row.on_unknown,
      possibleDuplicateCharge: row.possible_duplicate_charge,
      cancelRequested: row.cancel_requested,
    }));
  },

  /** Gives lost items back to the feeder, said to be perhaps charged twice. */
  repeat: async (orphans: readonly Orphan[]): Promise<void> => {
    await database.pool.query(
      `update work_item as item
       set state = 'queued', possible_duplicate_charge = true, rounds = item.rounds + 1, worker_id = null,
         claim = null
       from unnest($1::text[], $2::integer[]) as lost (id, attempts)
       where item.id = lost.id and item.attempts = lost.attempts and item.state = 'in_progress'`,
      [orphans.map(({ id }) => id), orphans.map(({ attempts }) => attempts)],
    );
  },

  /** Ends lost items that are not to be repeated. */
  giveUp: (orphans: readonly Orphan[], error: object): Promise<EndedItem[]> =>
    inTransaction(database, async (client) => {
      const { rows } = await client.query<EndedRow>(
        `update work_item as item
       set state = 'outcome_unknown', ended_at = now(), worker_id = null, claim = null, error = $3,
         possible_duplicate_charge = true
       from unnest($1::text[], $2::integer[]) as lost (id, attempts)
       where item.id = lost.id and item.attempts = lost.attempts and item.state = 'in_progress'
       returning item.id, item.tenant_id, item.batch_id`,
        [orphans.map(({ id }) => id), orphans.map(({ attempts }) => attempts), storableJson(error)],
      );
      return closeItems(client, rows);
    }),

  /** Ends what no worker has begun before its deadline. */
  expire: (error: object, limit: number): Promise<EndedItem[]> =>
    inTransaction(database, async (client) => {
      const { rows } = await client.query<EndedRow>(
        `update work_item set state = 'expired', ended_at = now(), error = $1
       where id in (select id from work_item where state = 'queued' and deadline_at <= now()
         order by id limit $2 for update skip locked)
       returning id, tenant_id, batch_id`,
        [storableJson(error), limit],
      );
      return closeItems(client, rows);
    }),

  /** Drops answers that are no longer kept; those of 0 seconds that nobody fetched are kept for a day. */
  forgetAnswers: async (limit: number): Promise<number> => {
    const { rowCount } = await database.pool.query(
      `with due as (
         select job.id from job join work_item as item on item.id = job.id
         where job.forgotten_at is null and item.ended_at is not null
           and item.ended_at + case when job.result_seconds = 0 then interval '1 day'
             else job.result_seconds * interval '1 second' end < now()
         limit $1
       ), dropped as (delete from work_answer where work_item_id in (select id from due))
       update job set forgotten_at = now() where id in (select id from due)`,
      [limit],
    );
    return rowCount ?? 0;
  },

  /** Forgets workers that hold nothing and have been silent for long. */
  forgetWorkers: async (): Promise<void> => {
    await database.pool.query(
      `delete from worker_beat as beat where beat_at < now() - interval '1 hour'
       and not exists (select from work_item where worker_id = beat.worker_id and state = 'in_progress')`,
    );
  },
});
export type WorkRecovery = ReturnType<typeof createWorkRecovery>;
