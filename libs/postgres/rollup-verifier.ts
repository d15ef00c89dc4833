/** Compares the hourly and daily sums with the events they are of. */
import type { PoolClient } from 'pg';
import { ENTRY_DIMENSIONS, ENTRY_MEASURES } from '#domain/usage-entry';
import type { Database } from './database.ts';
import { inTransaction } from './transaction.ts';

export type RollupMismatch = {
  tenantId: string;
  hour: Date;
  seriesKey: string;
  /** By measure: what the sums say, and what the events do. */
  differences: Record<string, [inRollup: string, byEvents: string]>;
};

/** At once, so that one turn takes seconds at the most. */
export const VERIFIED_HOURS_MAX = 1_000;
const MISMATCHES_MAX = 100;

const SERIES = ENTRY_DIMENSIONS.filter((dimension) => dimension !== 'tenant_id').join(', ');
const SUMS = ENTRY_MEASURES.map((measure) => `sum(${measure}) as ${measure}`).join(', ');
const HOUR = `date_trunc('hour', started_at, 'UTC')`;

/** One statement, hence one snapshot: what is recorded meanwhile is in both or in neither. */
const COMPARE = `
  with wanted as (select unnest($1::timestamptz[]) as hour),
  by_events as (
    select tenant_id, ${HOUR} as hour, usage_series_key(${SERIES}) as series_key, ${SUMS}
    from usage_entry
    where started_at >= (select min(hour) from wanted)
      and started_at < (select max(hour) from wanted) + interval '1 hour'
      and ${HOUR} in (select hour from wanted)
    group by tenant_id, ${HOUR}, ${SERIES}
  ),
  in_rollup as (select * from usage_hour where hour in (select hour from wanted))
  select tenant_id as "tenantId", hour, series_key as "seriesKey",
         ${ENTRY_MEASURES.map((measure) => `coalesce(r.${measure}, 0) as "r_${measure}", coalesce(e.${measure}, 0) as "e_${measure}"`).join(', ')}
  from in_rollup r full join by_events e using (tenant_id, hour, series_key)
  where ${ENTRY_MEASURES.map((measure) => `coalesce(r.${measure}, 0) <> coalesce(e.${measure}, 0)`).join(' or ')}
  limit ${MISMATCHES_MAX}`;

type ComparedRow = Record<string, string> & { tenantId: string; hour: Date; seriesKey: string };

const decodeRow = (row: ComparedRow): RollupMismatch => ({
  tenantId: row.tenantId,
  hour: row.hour,
  seriesKey: row.seriesKey,
  differences: Object.fromEntries(
    ENTRY_MEASURES.flatMap((measure): [string, [string, string]][] => {
      const inRollup = row[`r_${measure}`] ?? '0';
      const byEvents = row[`e_${measure}`] ?? '0';
      return inRollup === byEvents ? [] : [[measure, [inRollup, byEvents]]];
    }),
  ),
});

/** Hours whose events may have been dropped have nothing to be compared with. */
const COMPARABLE = `hour >= coalesce((select dropped_before + interval '1 day' from ledger_state), '-infinity')`;

const compareHours = async (client: PoolClient, hours: readonly Date[]): Promise<RollupMismatch[]> => {
  if (hours.length === 0) return [];
  const compared = await client.query<ComparedRow>(COMPARE, [hours.map((hour) => hour.toISOString())]);
  return compared.rows.map(decodeRow);
};

const keepMismatches = async (client: PoolClient, mismatches: readonly RollupMismatch[]): Promise<void> => {
  if (mismatches.length === 0) return;
  await client.query(
    `insert into rollup_mismatch (tenant_id, hour, series_key, differences)
     select found.* from unnest($1::text[], $2::timestamptz[], $3::uuid[], $4::jsonb[])
       as found (tenant_id, hour, series_key, differences)
     where not exists (
       select from rollup_mismatch known
       where known.hour = found.hour and known.tenant_id = found.tenant_id
         and known.series_key = found.series_key and known.repaired_at is null)`,
    [
      mismatches.map(({ tenantId }) => tenantId),
      mismatches.map(({ hour }) => hour.toISOString()),
      mismatches.map(({ seriesKey }) => seriesKey),
      mismatches.map(({ differences }) => JSON.stringify(differences)),
    ],
  );
};

/** The days whose sums are not those of their hours. */
const findUnequalDays = async (client: PoolClient, from: Date, to: Date): Promise<string[]> => {
  const sums = (table: string, day: string) =>
    `select tenant_id, ${day} as day, series_key, ${SUMS} from ${table}
     where ${table === 'usage_day' ? 'day' : 'hour'} >= date_trunc('day', $1::timestamptz, 'UTC')
       and ${table === 'usage_day' ? 'day' : 'hour'} < date_trunc('day', $2::timestamptz, 'UTC') + interval '1 day'
     group by 1, 2, 3`;
  const hours = sums('usage_hour', `date_trunc('day', hour, 'UTC')`);
  const days = sums('usage_day', 'day');
  const unequal = await client.query<{ day: Date }>(
    `select distinct day from ((${hours} except ${days}) union all (${days} except ${hours})) as unequal
     order by day limit ${MISMATCHES_MAX}`,
    [from.toISOString(), to.toISOString()],
  );
  return unequal.rows.map(({ day }) => day.toISOString().slice(0, 10));
};

/** Writes the sums of these hours, and of the days they are in, anew from the events. */
const rebuild = async (client: PoolClient, from: Date, to: Date): Promise<void> => {
  // Writers take the hours before the days, so this holds back all that have not added theirs yet.
  await client.query('lock table usage_hour in share row exclusive mode');
  const bounds = [from.toISOString(), to.toISOString()];
  const columns = [...ENTRY_DIMENSIONS, ...ENTRY_MEASURES].join(', ');
  await client.query(
    `delete from usage_hour where hour >= $1::timestamptz and hour < $2::timestamptz and ${COMPARABLE}`,
    bounds,
  );
  await client.query(
    `insert into usage_hour (hour, series_key, ${columns})
     select hour, usage_series_key(${SERIES}), ${columns} from (
       select ${HOUR} as hour, ${ENTRY_DIMENSIONS.join(', ')}, ${SUMS} from usage_entry
       where started_at >= $1::timestamptz and started_at < $2::timestamptz
       group by ${HOUR}, ${ENTRY_DIMENSIONS.join(', ')}
     ) as summed where ${COMPARABLE}`,
    bounds,
  );
  const day = (bound: string) => `date_trunc('day', ${bound}::timestamptz, 'UTC')`;
  const until = `${day(`($2::timestamptz - interval '1 microsecond')`)} + interval '1 day'`;
  await client.query(`delete from usage_day where day >= ${day('$1')} and day < ${until}`, bounds);
  await client.query(
    `insert into usage_day (day, series_key, ${columns})
     select date_trunc('day', hour, 'UTC'), series_key, ${ENTRY_DIMENSIONS.join(', ')}, ${SUMS} from usage_hour
     where hour >= ${day('$1')} and hour < ${until}
     group by date_trunc('day', hour, 'UTC'), series_key, ${ENTRY_DIMENSIONS.join(', ')}`,
    bounds,
  );
  await client.query(
    `update rollup_mismatch set repaired_at = now()
     where repaired_at is null and hour >= $1::timestamptz and hour < $2::timestamptz`,
    bounds,
  );
};

export type Verification = { hours: number; mismatches: RollupMismatch[]; unequalDays: string[] };

export const createRollupVerifier = (database: Database) => ({
  /** Compares every hour and day from the one to the other, whole hours; with `repair` mends what differs. */
  verifyRange: (range: { from: Date; to: Date; repair: boolean }): Promise<Verification> =>
    inTransaction(database, async (client) => {
      const { from, to, repair } = range;
      const wanted = await client.query<{ hour: Date }>(
        `select hour from generate_series(date_trunc('hour', $1::timestamptz, 'UTC'),
                                          $2::timestamptz - interval '1 microsecond', interval '1 hour') as hour
         where ${COMPARABLE}`,
        [from.toISOString(), to.toISOString()],
      );
      const hours = wanted.rows.map((row) => row.hour);
      const mismatches = await compareHours(client, hours);
      const unequalDays = await findUnequalDays(client, from, to);
      await keepMismatches(client, mismatches);
      const [first] = hours;
      const last = hours.at(-1);
      const differs = mismatches.length > 0 || unequalDays.length > 0;
      if (repair && differs && first !== undefined && last !== undefined) {
        await rebuild(client, first, new Date(last.getTime() + 3_600_000));
      }
      return { hours: hours.length, mismatches, unequalDays };
    }),

  /** Compares the hours that were added to since the last time. */
  verifyChanged: (): Promise<{ hours: number; mismatches: RollupMismatch[] }> =>
    inTransaction(database, async (client) => {
      const state = await client.query<{ since: string; until: string }>(
        `select coalesce(verified_until, '-infinity')::text as since, ledger_clock()::text as until
         from ledger_state for update skip locked`,
      );
      const [bounds] = state.rows;
      if (bounds === undefined) return { hours: 0, mismatches: [] };
      const changed = await client.query<{ hour: Date }>(
        `select hour from (
           select distinct ${HOUR} as hour from usage_entry
           where recorded_at > $1::timestamptz and recorded_at <= $2::timestamptz
         ) as changed where ${COMPARABLE} order by hour`,
        [bounds.since, bounds.until],
      );
      const hours = changed.rows.map((row) => row.hour);
      const mismatches: RollupMismatch[] = [];
      for (let start = 0; start < hours.length; start += VERIFIED_HOURS_MAX) {
        mismatches.push(...(await compareHours(client, hours.slice(start, start + VERIFIED_HOURS_MAX))));
      }
      await keepMismatches(client, mismatches);
      await client.query('update ledger_state set verified_until = $1::timestamptz', [bounds.until]);
      return { hours: hours.length, mismatches };
    }),
});
export type RollupVerifier = ReturnType<typeof createRollupVerifier>;
