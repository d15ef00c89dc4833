import { TOKEN_CLASSES, type TokenClass } from '#contracts/usage';
import type { Dimension } from '#contracts/usage-query';
import { ENTRY_MEASURES } from '#domain/usage-entry';
import { segmentUsage, type TimeRange } from '#domain/usage-segments';
import type { Database } from './database.ts';
import { inTenant } from './tenant-scope.ts';
import {
  expressionOf,
  filtersOf,
  idsAround,
  isUnbounded,
  Parameters,
  periodOf,
  within,
  type UsageGrouping,
  type UsageScope,
} from './usage-sql.ts';

export type UsageSelection = UsageScope &
  UsageGrouping & {
    costBasis: 'contracted' | 'list';
    /** Whether the hours' and days' sums may be read; what comes out is the same. */
    readsRollups: boolean;
    offset: number;
    limit: number;
  };

export type UsageRow = {
  /** The start of the period in the asked time zone; null for the total. */
  periodStart: Date | null;
  /** In the order of `groupBy`. */
  dimensions: (string | null)[];
  /** Counted where their first attempt is, so that they add up. */
  requests: number;
  attempts: number;
  unpricedAttempts: number;
  unknownAttempts: number;
  tokens: Record<TokenClass, number>;
  reasoningTokens: number;
  /** Of the priced attempts, on the asked basis. */
  costPicoUsd: bigint;
  listCostPicoUsd: bigint;
};

export type UsagePage = {
  rows: UsageRow[];
  hasMore: boolean;
  /** Of the whole selection, not the page; both zero when the page is empty. */
  totalCostPicoUsd: bigint;
  estimatedCostPicoUsd: bigint;
};

/** Values of a tag, or end users, that get a row of their own; the others are one. */
const OWN_VALUES_MAX = 1_000;
export const OTHER_VALUES = '__other__';

type AggregateRow = Record<string, string | null> & { period: Date | null };

type Source = {
  table: string;
  column: string;
  ranges: readonly TimeRange[];
  /** What was recorded when. */
  condition: string;
  sign: '' | '-';
};

const spanOf = (ranges: readonly TimeRange[]): TimeRange => ({
  fromMs: Math.min(...ranges.map(({ fromMs }) => fromMs)),
  toMs: Math.max(...ranges.map(({ toMs }) => toMs)),
});

/**
 * Where the sums come from. Rollups know of everything that is committed; what of it was recorded after `asOf`
 * is taken away again, entry by entry, so that both ways give the same to the pico-dollar.
 */
const sourcesOf = (selection: UsageSelection, asOf: string): Source[] => {
  const range = { fromMs: selection.fromMs, toMs: selection.toMs };
  const isSummed = ![...selection.groupBy, ...Object.keys(selection.filters)].some((dimension) =>
    isUnbounded(dimension as Dimension),
  );
  const segments =
    isSummed && selection.readsRollups
      ? segmentUsage(range, selection)
      : { days: [], hours: [], entries: [range] };
  const entries = { table: 'usage_entry', column: 'started_at' } as const;
  const sources: Source[] = [
    { table: 'usage_day', column: 'day', ranges: segments.days, condition: 'true', sign: '' },
    { table: 'usage_hour', column: 'hour', ranges: segments.hours, condition: 'true', sign: '' },
    {
      ...entries,
      ranges: [...segments.days, ...segments.hours],
      condition: `recorded_at > ${asOf}`,
      sign: '-',
    },
    { ...entries, ranges: segments.entries, condition: `recorded_at <= ${asOf}`, sign: '' },
  ];
  return sources.filter(({ ranges }) => ranges.length > 0);
};

const selectOf = (source: Source, selection: UsageSelection, parameters: Parameters): string => {
  const { table, column, ranges, sign } = source;
  const { from, condition } = within(table, column, ranges, parameters);
  const ids = table === 'usage_entry' ? [idsAround(spanOf(ranges), parameters)] : [];
  const conditions = [condition, source.condition, ...ids, ...filtersOf(selection, parameters)];
  const dimensions = selection.groupBy.map(
    (dimension, index) => `${expressionOf(dimension, parameters)} as dimension_${index}`,
  );
  const measures = ENTRY_MEASURES.map((measure) => `${sign}sum(${measure}) as ${measure}`);
  const keys = ['period', ...selection.groupBy.map((_, index) => `dimension_${index}`)];
  return `select ${[`${periodOf(column, selection, parameters)} as period`, ...dimensions, ...measures].join(', ')}
    from ${from} where ${conditions.join(' and ')} group by ${keys.map((_, index) => index + 1).join(', ')}`;
};

/** Dimensions whose rarer values are put together, with the statement that finds the values that stay. */
const overflowOf = (selection: UsageSelection, cost: string): { tops: string[]; keys: string[] } => {
  const tops: string[] = [];
  const keys = selection.groupBy.map((dimension, index) => {
    const column = `dimension_${index}`;
    if (!isUnbounded(dimension)) return column;
    tops.push(`top_${index} as (
      select ${column} as value from base where ${column} is not null
      group by 1 order by sum(${cost}) desc, sum(attempts) desc, 1 limit ${OWN_VALUES_MAX})`);
    return `case when ${column} is null or ${column} in (select value from top_${index})
      then ${column} else '${OTHER_VALUES}' end`;
  });
  return { tops, keys };
};

const decodeRow = (row: AggregateRow, selection: UsageSelection, cost: string): UsageRow => ({
  periodStart: row.period,
  dimensions: selection.groupBy.map((_, index) => row[`dimension_${index}`] ?? null),
  requests: Number(row['requests']),
  attempts: Number(row['attempts']),
  unpricedAttempts: Number(row['unpriced_attempts']),
  unknownAttempts: Number(row['unknown_attempts']),
  tokens: Object.fromEntries(
    TOKEN_CLASSES.map((token) => [token, Number(row[`${token}_tokens`])]),
  ) as UsageRow['tokens'],
  reasoningTokens: Number(row['reasoning_tokens']),
  costPicoUsd: BigInt(row[cost] ?? 0),
  listCostPicoUsd: BigInt(row['list_cost_pico_usd'] ?? 0),
});

/**
 * Sums the ledger as it was at `asOf`. Rows come in the order of the period and then the dimensions, nulls
 * last; grouped sums add up to the total exactly.
 */
export const queryUsage = async (database: Database, selection: UsageSelection): Promise<UsagePage> => {
  const parameters = new Parameters();
  const asOf = `${parameters.add(selection.asOf)}::timestamptz`;
  const isList = selection.costBasis === 'list';
  const cost = isList ? 'list_cost_pico_usd' : 'cost_pico_usd';
  const estimated = isList ? 'estimated_list_cost_pico_usd' : 'estimated_cost_pico_usd';

  const base = sourcesOf(selection, asOf).map((source) => selectOf(source, selection, parameters));
  const { tops, keys } = overflowOf(selection, cost);
  const named = ['period', ...keys.map((key, index) => `${key} as dimension_${index}`)];
  const ordinals = named.map((_, index) => index + 1).join(', ');
  const isTotal = selection.granularity === 'total' && selection.groupBy.length === 0;
  const nothing = ['attempts', 'requests', 'cost_pico_usd', 'list_cost_pico_usd'];
  // Without a group there is one row, also for nothing at all.
  const grouping = isTotal
    ? ''
    : `group by ${ordinals} having ${nothing.map((measure) => `sum(${measure}) <> 0`).join(' or ')}
       order by ${ordinals}`;

  const statement = () =>
    database.pool.query<AggregateRow>(
      `with base as (${base.join(' union all ')})${tops.map((top) => `, ${top}`).join('')}
     select ${[
       ...(isTotal ? ['null::timestamptz as period'] : named),
       ...ENTRY_MEASURES.map((measure) => `coalesce(sum(${measure}), 0) as ${measure}`),
       `sum(coalesce(sum(${cost}), 0)) over () as whole_cost`,
       `sum(coalesce(sum(${estimated}), 0)) over () as whole_estimated`,
     ].join(', ')}
     from base ${grouping}
     limit ${parameters.add(selection.limit + 1)} offset ${parameters.add(selection.offset)}`,
      parameters.values,
    );
  const result = await inTenant(selection.tenantId, statement);

  const first = result.rows[0];
  return {
    rows: result.rows.slice(0, selection.limit).map((row) => decodeRow(row, selection, cost)),
    hasMore: result.rows.length > selection.limit,
    totalCostPicoUsd: BigInt(first?.['whole_cost'] ?? 0),
    estimatedCostPicoUsd: BigInt(first?.['whole_estimated'] ?? 0),
  };
};

export type LedgerClock = {
  /** The newest instant up to which everything is committed, RFC 3339 to the microsecond. */
  now: string;
  /** The moment that was asked for, written alike; now where none was asked for, or one still to come. */
  asOf: string;
  /** When the newest event not recorded after `asOf` was recorded; null when there is none. */
  watermark: Date | null;
};

const written = (instant: string): string =>
  `to_char(${instant} at time zone 'utc', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')`;

/** What the ledger knows up to: `asOf` null asks about now. */
export const readLedgerClock = async (database: Database, asOf: string | null): Promise<LedgerClock> => {
  const result = await database.pool.query<LedgerClock>(
    `with clock as (select now, least(now, $1::timestamptz) as as_of from (select ledger_clock() as now) ticked)
     select ${written('now')} as now, ${written('as_of')} as "asOf",
            (select max(recorded_at) from usage_event where recorded_at <= as_of) as watermark
     from clock`,
    [asOf],
  );
  const [row] = result.rows;
  if (row === undefined) throw new Error('a statement about one clock has one row');
  return row;
};
