import type { TenantId } from '#contracts/ids';
import { TOKEN_CLASSES, type TokenClass } from '#contracts/usage';
import type { Dimension, UsageDimension, UsageGranularity } from '#contracts/usage-query';
import type { Database } from './database.ts';

const COLUMN_OF_DIMENSION: Readonly<Record<UsageDimension, string>> = {
  tenant: 'tenant_id',
  team: 'team',
  feature: 'feature',
  user: 'end_user',
  api_key: 'api_key_id',
  provider_key: 'provider_key_id',
  provider: 'provider',
  model: 'model',
  route: 'route',
  lane: 'lane',
  surface: 'surface',
  status: 'outcome',
};

/** Figures of our own, or the provider's only up to where an answer broke off. */
const IS_ESTIMATE = `usage_source in ('estimated', 'provider_partial')`;

/** Statement parameters, numbered as they are added. */
class Parameters {
  readonly values: unknown[] = [];

  add(value: unknown): string {
    this.values.push(value);
    return `$${this.values.length}`;
  }
}

const isTag = (dimension: Dimension): dimension is `tag:${string}` => dimension.startsWith('tag:');

/** The only place a dimension becomes SQL: a column of the list above, or a tag whose name is a parameter. */
const expressionOf = (dimension: Dimension, parameters: Parameters): string =>
  isTag(dimension)
    ? `(tags ->> ${parameters.add(dimension.slice('tag:'.length))}::text)`
    : COLUMN_OF_DIMENSION[dimension];

/**
 * The effective ledger: an attempt's revision 1 is what its worker says, and replaces revision 0, which
 * the ingress presumed. Both are kept; `asOf` picks what was known then.
 */
const isEffective = (asOf: string): string =>
  `(event.revision = 1 or not exists (
      select from usage_event later
      where later.attempt_id = event.attempt_id and later.revision = 1 and later.recorded_at <= ${asOf}))`;

export type UsageSelection = {
  /** Null for all tenants. */
  tenantId: TenantId | null;
  /** RFC 3339; `to` is exclusive. Both bound the start of the attempt. */
  from: string;
  to: string;
  timeZone: string;
  granularity: UsageGranularity;
  groupBy: readonly Dimension[];
  filters: Partial<Record<Dimension, readonly (string | null)[]>>;
  /** RFC 3339: events recorded later are left out. */
  asOf: string;
  offset: number;
  limit: number;
};

export type UsageRow = {
  /** The start of the period in the asked time zone; null for the total. */
  periodStart: Date | null;
  /** In the order of `groupBy`. */
  dimensions: (string | null)[];
  /** Distinct; a request whose attempts fall into several rows counts in each. */
  requests: number;
  attempts: number;
  unpricedAttempts: number;
  unknownAttempts: number;
  tokens: Record<TokenClass, number>;
  reasoningTokens: number;
  /** Of the priced attempts. */
  costPicoUsd: bigint;
};

export type UsagePage = {
  rows: UsageRow[];
  hasMore: boolean;
  /** Of the whole selection, not the page; both zero when the page is empty. */
  totalCostPicoUsd: bigint;
  estimatedCostPicoUsd: bigint;
};

type AggregateRow = Record<string, string | null> & { period: Date | null };

/** Sums the effective ledger. Rows come in the order of the period and then the dimensions, nulls last. */
export const queryUsage = async (database: Database, selection: UsageSelection): Promise<UsagePage> => {
  const parameters = new Parameters();
  const asOf = `${parameters.add(selection.asOf)}::timestamptz`;
  const conditions = [
    `event.started_at >= ${parameters.add(selection.from)}::timestamptz`,
    `event.started_at < ${parameters.add(selection.to)}::timestamptz`,
    `event.recorded_at <= ${asOf}`,
    isEffective(asOf),
  ];
  if (selection.tenantId !== null) conditions.push(`tenant_id = ${parameters.add(selection.tenantId)}`);
  for (const [dimension, values] of Object.entries(selection.filters) as [Dimension, (string | null)[]][]) {
    const expression = expressionOf(dimension, parameters);
    const present = parameters.add(values.filter((value) => value !== null));
    const orNull = values.includes(null) ? ` or ${expression} is null` : '';
    conditions.push(`(${expression} = any(${present}::text[])${orNull})`);
  }

  const keys = selection.groupBy.map(
    (dimension, index) => `${expressionOf(dimension, parameters)} as dimension_${index}`,
  );
  if (selection.granularity !== 'total') {
    const unit = parameters.add(selection.granularity);
    keys.unshift(
      `date_trunc(${unit}::text, started_at, ${parameters.add(selection.timeZone)}::text) as period`,
    );
  }
  const ordinals = keys.map((_, index) => index + 1).join(', ');
  const estimated = `coalesce(sum(cost_pico_usd) filter (where ${IS_ESTIMATE}), 0)`;

  const result = await database.pool.query<AggregateRow>(
    `select ${[
      ...keys,
      'count(distinct request_id) as requests',
      'count(*) as attempts',
      `count(*) filter (where pricing = 'unpriced') as unpriced`,
      `count(*) filter (where pricing = 'unknown') as unknown`,
      ...TOKEN_CLASSES.map((token) => `coalesce(sum(${token}_tokens), 0) as ${token}`),
      'coalesce(sum(reasoning_tokens), 0) as reasoning',
      'coalesce(sum(cost_pico_usd), 0) as cost',
      'sum(coalesce(sum(cost_pico_usd), 0)) over () as total_cost',
      `sum(${estimated}) over () as estimated_cost`,
    ].join(', ')}
     from usage_event event
     where ${conditions.join(' and ')}
     ${ordinals === '' ? '' : `group by ${ordinals} order by ${ordinals}`}
     limit ${parameters.add(selection.limit + 1)} offset ${parameters.add(selection.offset)}`,
    parameters.values,
  );

  const first = result.rows[0];
  return {
    rows: result.rows.slice(0, selection.limit).map((row) => ({
      periodStart: row.period ?? null,
      dimensions: selection.groupBy.map((_, index) => row[`dimension_${index}`] ?? null),
      requests: Number(row['requests']),
      attempts: Number(row['attempts']),
      unpricedAttempts: Number(row['unpriced']),
      unknownAttempts: Number(row['unknown']),
      tokens: Object.fromEntries(
        TOKEN_CLASSES.map((token) => [token, Number(row[token])]),
      ) as UsageRow['tokens'],
      reasoningTokens: Number(row['reasoning']),
      costPicoUsd: BigInt(row['cost'] ?? 0),
    })),
    hasMore: result.rows.length > selection.limit,
    totalCostPicoUsd: BigInt(first?.['total_cost'] ?? 0),
    estimatedCostPicoUsd: BigInt(first?.['estimated_cost'] ?? 0),
  };
};

export type LedgerClock = {
  /** The database's time, RFC 3339 to the microsecond. */
  now: string;
  /** When the newest event not recorded after `asOf` was recorded; null when there is none. */
  watermark: Date | null;
};

/** What the ledger knows up to: `asOf` null asks about now. */
export const readLedgerClock = async (database: Database, asOf: string | null): Promise<LedgerClock> => {
  const result = await database.pool.query<{ now: string; watermark: Date | null }>(
    `select to_char(now() at time zone 'utc', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') as now,
            max(recorded_at) as watermark
     from usage_event where $1::timestamptz is null or recorded_at <= $1::timestamptz`,
    [asOf],
  );
  const [row] = result.rows;
  if (row === undefined) throw new Error('an aggregate without groups has one row');
  return row;
};
