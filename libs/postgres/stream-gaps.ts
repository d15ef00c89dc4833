import type { Database } from './database.ts';

/** Messages of the event stream that never came, though later ones did. Both ends are inclusive. */
export type StreamGap = { stream: string; first: bigint; last: bigint; noticedAt: Date };

/** Any number, but the same in every flo2: ranges are merged by one process at a time. */
const MERGE_LOCK = 4_046_171_307;
/** What another instance has in hand, or a lost acknowledgement brings again, is here by then. */
const GRACE = `interval '60 seconds'`;
/** Newer ranges stay as they are: they tell when a gap was first passed over. */
const MERGED_AGE = `interval '2 minutes'`;
const LISTED_MAX = 1_000;

/** The runs without a gap that rows of `recorded_range` stand for; see its schema. */
const runsOf = (rows: string): string =>
  `(select id, stream, recorded_at, run.first_sequence, run.last_sequence
    from ${rows} as range cross join lateral unnest(
      coalesce(range.run_firsts, array[range.first_sequence]), coalesce(range.run_lasts, array[range.last_sequence])
    ) as run (first_sequence, last_sequence)) as runs`;

/** The gaps that have stood for a minute, a bounded number of them. */
export const listStreamGaps = async (database: Database): Promise<StreamGap[]> => {
  const found = await database.pool.query<{ stream: string; first: string; last: string; noticedAt: Date }>(
    `select stream, previous + 1 as first, first_sequence - 1 as last, recorded_at as "noticedAt"
     from (
       select stream, first_sequence, recorded_at,
              coalesce(max(last_sequence) over (
                partition by stream order by first_sequence, id
                rows between unbounded preceding and 1 preceding), 0) as previous
       from ${runsOf('recorded_range')}
     ) as ranges
     where first_sequence > previous + 1 and recorded_at < now() - ${GRACE}
     order by stream, first limit ${LISTED_MAX}`,
  );
  return found.rows.map((row) => ({ ...row, first: BigInt(row.first), last: BigInt(row.last) }));
};

/** Puts ranges that touch or overlap together, so that there are as many as there are gaps. */
export const mergeRecordedRanges = async (database: Database): Promise<void> => {
  await database.pool.query(
    `with turn as materialized (select pg_try_advisory_xact_lock(${MERGE_LOCK}) as is_ours),
     old as (
       select recorded_range.* from recorded_range, turn where is_ours and recorded_at < now() - ${MERGED_AGE}
     ),
     marked as (
       select *, first_sequence > 1 + coalesce(max(last_sequence) over (
                   partition by stream order by first_sequence, id
                   rows between unbounded preceding and 1 preceding), -1) as begins
       from ${runsOf('old')}
     ),
     numbered as (
       select *, count(*) filter (where begins) over (partition by stream order by first_sequence, id) as island
       from marked
     ),
     removed as (delete from recorded_range using old where recorded_range.id = old.id)
     insert into recorded_range (stream, first_sequence, last_sequence, recorded_at)
     select stream, min(first_sequence), max(last_sequence), max(recorded_at)
     from numbered group by stream, island`,
  );
};
