import type { Database } from './database.ts';
import { inTenant } from './tenant-scope.ts';
import {
  expressionOf,
  filtersOf,
  idsAround,
  Parameters,
  periodOf,
  type UsageGrouping,
  type UsageScope,
} from './usage-sql.ts';

export type PerformanceSelection = UsageScope & UsageGrouping & { offset: number; limit: number };

/** Milliseconds, each the time of one attempt; null where none has such a time. */
export type Percentiles = { p50: number | null; p95: number | null };

export type PerformanceRow = {
  periodStart: Date | null;
  /** In the order of `groupBy`. */
  dimensions: (string | null)[];
  attempts: number;
  queueMs: Percentiles;
  firstTokenMs: Percentiles;
  durationMs: Percentiles;
  /** Attempts by how they ended. */
  outcomes: Record<string, number>;
  /** Attempts that did not succeed, by the catalogue's code. */
  errors: Record<string, number>;
};

const TIMES = ['queue_ms', 'first_token_ms', 'duration_ms'] as const;

type Row = Record<string, string | number | null> & {
  period: Date | null;
  attempts: string;
  outcomes: Record<string, number>;
  errors: Record<string, number> | null;
};

const percentilesOf = (row: Row, time: (typeof TIMES)[number]): Percentiles => {
  const read = (share: string): number | null => {
    const value = row[`${time}_${share}`];
    return value === null || value === undefined ? null : Number(value);
  };
  return { p50: read('p50'), p95: read('p95') };
};

/**
 * How fast and how well attempts went, from the attempts themselves: percentiles do not add up, so no rollup
 * has them. An attempt that was presumed lost counts as its worker's word has it, once that was recorded.
 */
export const queryPerformance = async (
  database: Database,
  selection: PerformanceSelection,
): Promise<{ rows: PerformanceRow[]; hasMore: boolean }> => {
  const parameters = new Parameters();
  const asOf = `${parameters.add(selection.asOf)}::timestamptz`;
  const keys = [
    `${periodOf('started_at', selection, parameters)} as period`,
    ...selection.groupBy.map(
      (dimension, index) => `${expressionOf(dimension, parameters)} as dimension_${index}`,
    ),
  ];
  const names = ['period', ...selection.groupBy.map((_, index) => `dimension_${index}`)].join(', ');
  const conditions = [
    `started_at >= ${parameters.addInstant(selection.fromMs)}`,
    `started_at < ${parameters.addInstant(selection.toMs)}`,
    idsAround(selection, parameters),
    `recorded_at <= ${asOf}`,
    `(revision = 1 or not exists (
        select from usage_event later
        where later.attempt_id = event.attempt_id and later.revision = 1 and later.recorded_at <= ${asOf}))`,
    ...filtersOf(selection, parameters),
  ];
  const percentiles = TIMES.flatMap((time) =>
    [50, 95].map(
      (share) =>
        `percentile_disc(0.${share}) within group (order by ${time}) filter (where ${time} is not null)
         as ${time}_p${share}`,
    ),
  );
  const tally = (column: string): string => `(
    select jsonb_object_agg(tallied.value, tallied.attempts) from (
      select value, count(*) as attempts from unnest(array_agg(${column})) as value
      where value is not null group by 1) tallied)`;
  const statement = () =>
    database.pool.query<Row>(
      `with chosen as (
       select ${keys.join(', ')}, ${TIMES.join(', ')}, outcome, error_code
       from usage_event event where ${conditions.join(' and ')}
     )
     select ${names}, count(*) as attempts, ${percentiles.join(', ')},
            ${tally('outcome')} as outcomes, ${tally('error_code')} as errors
     from chosen group by ${names} order by ${names}
     limit ${parameters.add(selection.limit + 1)} offset ${parameters.add(selection.offset)}`,
      parameters.values,
    );
  const result = await inTenant(selection.tenantId, statement);
  return {
    rows: result.rows.slice(0, selection.limit).map((row) => ({
      periodStart: row.period,
      dimensions: selection.groupBy.map((_, index) => {
        const value = row[`dimension_${index}`];
        return typeof value === 'string' ? value : null;
      }),
      attempts: Number(row.attempts),
      queueMs: percentilesOf(row, 'queue_ms'),
      firstTokenMs: percentilesOf(row, 'first_token_ms'),
      durationMs: percentilesOf(row, 'duration_ms'),
      outcomes: row.outcomes,
      errors: row.errors ?? {},
    })),
    hasMore: result.rows.length > selection.limit,
  };
};
