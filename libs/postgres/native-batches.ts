import type { WireError } from '#contracts/attempt-line';
import type { NativeBatchId, ProviderKeyId, WorkItemId } from '#contracts/ids';
import type { Database } from './database.ts';
import {
  decodeNativeBatch,
  decodeNativeLine,
  type NativeBatch,
  type NativeBatchRow,
  type NativeLine,
  type NativeLineClaim,
  type NativeLineRow,
} from './native-batch-rows.ts';
import { storableJson } from './storable-text.ts';
import { inTransaction } from './transaction.ts';

const LINES = `
  select line.work_item_id, line.attempt_id, line.attempt_number, line.header, line.claimed_at,
    line.is_recorded, item.rounds, item.on_unknown, item.possible_duplicate_charge, item.cancel_requested,
    item.state = 'in_progress' and item.worker_id = line.native_batch_id as is_held,
    request.data_key_version, request.sealed
  from native_batch_line as line join work_item as item on item.id = line.work_item_id
  left join work_request as request on request.work_item_id = line.work_item_id`;

/** The compare-and-set that workers claim by (`work-claims.ts`), for lines that wait for a provider's batch. */
const CLAIM = `
  with asked as (
    select * from unnest($2::text[], $3::integer[], $4::jsonb[]) as asked (id, attempt, claim)
  )
  update work_item as item
  set state = 'in_progress', attempts = asked.attempt, worker_id = $1, claim = asked.claim,
    not_before = null, started_at = coalesce(item.started_at, now())
  from asked
  where item.id = asked.id and item.state = 'queued' and item.lane = 'native'
    and item.attempts = asked.attempt - 1 and not item.cancel_requested and item.deadline_at > now()
  returning item.id`;

const instant = (timeMs: number): string => new Date(timeMs).toISOString();

/** Batches at providers and their lines. Rejects with the driver's error when the store is down. */
export const createNativeBatchStore = (database: Database) => {
  const { pool } = database;
  return {
    /**
     * Records that a batch is about to be made and claims its lines, in one go. Resolves to those that were
     * won; to none, and without a trace, where all were ended meanwhile.
     */
    begin: (batch: NativeBatch, lines: readonly NativeLineClaim[]): Promise<Set<WorkItemId>> =>
      inTransaction(database, async (client) => {
        const { rows } = await client.query<{ id: string }>({
          name: 'claim_native_lines',
          text: CLAIM,
          values: [
            batch.id,
            lines.map(({ id }) => id),
            lines.map(({ attemptNumber }) => attemptNumber),
            lines.map(({ claim }) => JSON.stringify(claim)),
          ],
        });
        const won = new Set(rows.map(({ id }) => id as WorkItemId));
        if (won.size === 0) return won;
        await client.query(
          `insert into native_batch (id, tenant_id, batch_id, provider, provider_key_id, model, path, headers,
             lines, window_hours, state, created_at, escalate_at, abandon_at, forget_at, next_look_at)
           values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, 'creating', $11, $12, $13, $14, $11)`,
          [
            batch.id,
            batch.tenantId,
            batch.batchId,
            batch.provider,
            batch.providerKeyId,
            batch.model,
            batch.path,
            storableJson(batch.headers),
            won.size,
            batch.windowHours,
            instant(batch.createdAtMs),
            instant(batch.escalateAtMs),
            instant(batch.abandonAtMs),
            instant(batch.forgetAtMs),
          ],
        );
        const kept = lines.filter(({ id }) => won.has(id));
        await client.query(
          `insert into native_batch_line (native_batch_id, work_item_id, attempt_id, attempt_number, header, claimed_at)
           select $1, * from unnest($2::text[], $3::text[], $4::integer[], $5::jsonb[], $6::timestamptz[])`,
          [
            batch.id,
            kept.map(({ id }) => id),
            kept.map(({ claim }) => claim.attemptId),
            kept.map(({ attemptNumber }) => attemptNumber),
            kept.map(({ header }) => storableJson(header)),
            kept.map(({ claim }) => instant(claim.claimedAtMs)),
          ],
        );
        return won;
      }),

    /** Those to be looked at now, the most overdue first; a cancelled one at once. */
    due: async (limit: number): Promise<NativeBatch[]> => {
      const { rows } = await pool.query<NativeBatchRow>(
        `select native.*, batch.cancelling_at
         from native_batch as native join batch on batch.id = native.batch_id
         where native.settled_at is null and (native.next_look_at <= now()
           or native.state = 'running' and native.failures = 0 and batch.cancelling_at is not null)
         order by native.next_look_at limit $1`,
        [limit],
      );
      return rows.map(decodeNativeBatch);
    },

    /** Writes where a batch stands; when it ended is written once. */
    save: async (batch: NativeBatch, nextLookAtMs: number): Promise<void> => {
      await pool.query(
        `update native_batch set state = $2, may_exist = $3, asked_at = $4, refusals = $5, failures = $6,
           is_abandoned = $7, reference = $8, observed = $9, last_error = $10, next_look_at = $11,
           ended_at = coalesce(ended_at, $12)
         where id = $1`,
        [
          batch.id,
          batch.state,
          batch.mayExist,
          batch.askedAtMs === null ? null : instant(batch.askedAtMs),
          batch.refusals,
          batch.failures,
          batch.isAbandoned,
          batch.reference === null ? null : storableJson(batch.reference),
          batch.observed === null ? null : storableJson(batch.observed),
          batch.lastError,
          instant(nextLookAtMs),
          batch.endedAtMs === null ? null : instant(batch.endedAtMs),
        ],
      );
    },

    /** It is over, and what its lines' attempts were is in the ledger. */
    settle: (id: NativeBatchId): Promise<void> =>
      inTransaction(database, async (client) => {
        await client.query('delete from native_batch_line where native_batch_id = $1', [id]);
        await client.query(`update native_batch set state = 'settled', settled_at = now() where id = $1`, [
          id,
        ]);
      }),

    /** The provider's ids of the key's other batches. */
    knownUnder: async (keyId: ProviderKeyId, except: NativeBatchId): Promise<Set<string>> => {
      const { rows } = await pool.query<{ known: string }>(
        `select reference ->> 'id' as known from native_batch
         where provider_key_id = $1 and id <> $2 and reference is not null
           and created_at > now() - interval '30 days'`,
        [keyId, except],
      );
      return new Set(rows.map(({ known }) => known));
    },

    customIds: async (id: NativeBatchId): Promise<Set<string>> => {
      const { rows } = await pool.query<{ work_item_id: string }>(
        'select work_item_id from native_batch_line where native_batch_id = $1',
        [id],
      );
      return new Set(rows.map(({ work_item_id }) => work_item_id));
    },

    /** Lines in the order of their ids, after one of them. */
    lines: async (id: NativeBatchId, after: string, limit: number): Promise<NativeLine[]> => {
      const { rows } = await pool.query<NativeLineRow>({
        name: 'native_lines',
        text: `${LINES} where line.native_batch_id = $1 and line.work_item_id > $2 order by line.work_item_id limit $3`,
        values: [id, after, limit],
      });
      return rows.map(decodeNativeLine);
    },

    linesNamed: async (id: NativeBatchId, ids: readonly string[]): Promise<NativeLine[]> => {
      const { rows } = await pool.query<NativeLineRow>({
        name: 'native_lines_named',
        text: `${LINES} where line.native_batch_id = $1 and line.work_item_id = any($2::text[])`,
        values: [id, ids],
      });
      return rows.map(decodeNativeLine);
    },

    markRecorded: async (id: NativeBatchId, ids: readonly WorkItemId[]): Promise<void> => {
      await pool.query(
        `update native_batch_line set is_recorded = true
         where native_batch_id = $1 and work_item_id = any($2::text[])`,
        [id, ids],
      );
    },

    /** Gives held lines back to the queue, each not before its time and with why it comes back. */
    giveToQueue: async (
      id: NativeBatchId,
      lines: readonly {
        id: WorkItemId;
        attemptNumber: number;
        notBeforeMs: number;
        error: WireError | null;
        possibleDuplicateCharge: boolean;
      }[],
    ): Promise<void> => {
      await pool.query(
        `update work_item as item
         set state = 'queued', lane = 'batch', rounds = item.rounds + 1, worker_id = null, claim = null,
           not_before = back.not_before, error = back.error,
           possible_duplicate_charge = item.possible_duplicate_charge or back.possible_duplicate_charge
         from unnest($2::text[], $3::integer[], $4::timestamptz[], $5::jsonb[], $6::boolean[])
           as back (id, attempts, not_before, error, possible_duplicate_charge)
         where item.id = back.id and item.attempts = back.attempts and item.worker_id = $1
           and item.state = 'in_progress'`,
        [
          id,
          lines.map((line) => line.id),
          lines.map(({ attemptNumber }) => attemptNumber),
          lines.map(({ notBeforeMs }) => instant(notBeforeMs)),
          lines.map(({ error }) => (error === null ? null : storableJson(error))),
          lines.map(({ possibleDuplicateCharge }) => possibleDuplicateCharge),
        ],
      );
    },

    /** Forgets what is long over. */
    tidy: async (): Promise<void> => {
      await pool.query(`delete from native_batch where settled_at < now() - interval '30 days'`);
    },
  };
};
export type NativeBatchStore = ReturnType<typeof createNativeBatchStore>;
