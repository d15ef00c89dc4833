/** Parts of the statements that read usage: dimensions, filters and stretches of time. */
import type { TenantId } from '#contracts/ids';
import type { Dimension, UsageDimension, UsageGranularity } from '#contracts/usage-query';
import { encodeIdTime } from '#domain/id-time';
import type { TimeRange } from '#domain/usage-segments';

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

/** Which events are meant. */
export type UsageScope = {
  /** Null for all tenants. */
  tenantId: TenantId | null;
  /** Unix milliseconds; `toMs` is exclusive. Both bound the start of the attempt. */
  fromMs: number;
  toMs: number;
  filters: Partial<Record<Dimension, readonly (string | null)[]>>;
  /** RFC 3339: what was recorded later is left out. */
  asOf: string;
};

/** How they are put together. */
export type UsageGrouping = {
  timeZone: string;
  granularity: UsageGranularity;
  groupBy: readonly Dimension[];
};

/** Statement parameters, numbered as they are added. */
export class Parameters {
  readonly values: unknown[] = [];

  add(value: unknown): string {
    this.values.push(value);
    return `$${this.values.length}`;
  }

  addInstant(atMs: number): string {
    return `${this.add(new Date(atMs).toISOString())}::timestamptz`;
  }
}

const isTag = (dimension: Dimension): dimension is `tag:${string}` => dimension.startsWith('tag:');

/** Values that callers make up; there can be any number of them. */
export const isUnbounded = (dimension: Dimension): boolean => dimension === 'user' || isTag(dimension);

/** The only place a dimension becomes SQL: a column of the list above, or a tag whose name is a parameter. */
export const expressionOf = (dimension: Dimension, parameters: Parameters): string =>
  isTag(dimension)
    ? `(tags ->> ${parameters.add(dimension.slice('tag:'.length))}::text)`
    : COLUMN_OF_DIMENSION[dimension];

/** The conditions of a scope that are not about time. */
export const filtersOf = ({ tenantId, filters }: UsageScope, parameters: Parameters): string[] => {
  const conditions: string[] = [];
  if (tenantId !== null) conditions.push(`tenant_id = ${parameters.add(tenantId)}`);
  for (const [dimension, values] of Object.entries(filters) as [Dimension, (string | null)[]][]) {
    const expression = expressionOf(dimension, parameters);
    const present = parameters.add(values.filter((value) => value !== null));
    const orNull = values.includes(null) ? ` or ${expression} is null` : '';
    conditions.push(`(${expression} = any(${present}::text[])${orNull})`);
  }
  return conditions;
};

/** More ranges than this are joined instead of spelled out. */
const SPELLED_OUT_MAX = 4;

/**
 * A table's rows within ranges: what to put behind `from`, and a condition. Many ranges are looked up one by
 * one by the table's index on the column.
 */
export const within = (
  table: string,
  column: string,
  ranges: readonly TimeRange[],
  parameters: Parameters,
): { from: string; condition: string } => {
  if (ranges.length <= SPELLED_OUT_MAX) {
    const spelled = ranges.map(
      ({ fromMs, toMs }) =>
        `(${column} >= ${parameters.addInstant(fromMs)} and ${column} < ${parameters.addInstant(toMs)})`,
    );
    return { from: table, condition: `(${spelled.join(' or ')})` };
  }
  const starts = parameters.add(ranges.map(({ fromMs }) => new Date(fromMs).toISOString()));
  const ends = parameters.add(ranges.map(({ toMs }) => new Date(toMs).toISOString()));
  return {
    from: `unnest(${starts}::timestamptz[], ${ends}::timestamptz[]) as stretch (begun, over)
           join ${table} on ${column} >= stretch.begun and ${column} < stretch.over`,
    condition: 'true',
  };
};

const DAY_MS = 86_400_000;

/** An id holds its time, from which its start is a day at most: lets whole months be passed over. */
export const idsAround = ({ fromMs, toMs }: TimeRange, parameters: Parameters, prefix = ''): string => {
  const first = `att_${encodeIdTime(Math.max(0, fromMs - DAY_MS))}`;
  const end = `att_${encodeIdTime(Math.max(0, toMs + DAY_MS + 1))}`;
  return `${prefix}attempt_id >= ${parameters.add(first)} and ${prefix}attempt_id < ${parameters.add(end)}`;
};

/** The start of the period a column's value falls in, null for the total. */
export const periodOf = (
  column: string,
  { granularity, timeZone }: UsageGrouping,
  parameters: Parameters,
): string =>
  granularity === 'total'
    ? 'null::timestamptz'
    : `date_trunc(${parameters.add(granularity)}::text, ${column}, ${parameters.add(timeZone)}::text)`;
