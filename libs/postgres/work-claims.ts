import type { WorkItemId } from '#contracts/ids';
import type { SealedBytes, WorkClaims } from '#domain/work-ports';
import type { Database } from './database.ts';

/**
 * The compare-and-set: attempt n is won while n − 1 are recorded. Asked again by the same attempt id it is
 * won again, since an answer may have been lost on its way.
 *
 * Rows are found by their ids alone. The other conditions are worded so that no index serves them: just after
 * a batch was taken on the planner takes the open items for a few, and would read all of them for each claim.
 * For the same reason it is planned anew each time.
 */
const CLAIM = `
  with asked as (
    select * from unnest($2::text[], $3::integer[], $4::jsonb[]) as asked (id, attempt, claim)
  ), won as (
    update work_item as item
    set state = 'in_progress', attempts = asked.attempt, worker_id = $1, claim = asked.claim,
      not_before = null, started_at = coalesce(item.started_at, now())
    from asked
    where item.id = asked.id
      and item.ended_at is null
      and not item.cancel_requested
      and item.deadline_at - now() > interval '0'
      and (item.attempts = asked.attempt - 1
        or (item.attempts = asked.attempt and item.worker_id = $1
          and item.claim ->> 'attemptId' = asked.claim ->> 'attemptId'))
    returning item.id
  )
  select won.id, request.data_key_version, request.sealed
  from won join work_request as request on request.work_item_id = won.id`;

export const createWorkClaims = ({ pool }: Database): WorkClaims => ({
  claim: async (workerId, asked) => {
    const { rows } = await pool.query<{ id: string; data_key_version: number; sealed: Buffer }>({
      text: CLAIM,
      values: [
        workerId,
        asked.map(({ id }) => id),
        asked.map(({ attempt }) => attempt),
        asked.map(({ claim }) => JSON.stringify(claim)),
      ],
    });
    return new Map<WorkItemId, SealedBytes>(
      rows.map((row) => [row.id as WorkItemId, { dataKeyVersion: row.data_key_version, sealed: row.sealed }]),
    );
  },

  beat: async (workerId) => {
    await pool.query(
      `insert into worker_beat (worker_id, beats, beat_at) values ($1, 1, now())
       on conflict (worker_id) do update set beats = worker_beat.beats + 1, beat_at = now()`,
      [workerId],
    );
    const { rows } = await pool.query<{ id: string }>(
      `select id from work_item where worker_id = $1 and state = 'in_progress' and cancel_requested`,
      [workerId],
    );
    return rows.map(({ id }) => id as WorkItemId);
  },

  leave: async (workerId) => {
    await pool.query('delete from worker_beat where worker_id = $1', [workerId]);
  },
});
