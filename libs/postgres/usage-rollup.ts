import type { PoolClient } from 'pg';
import { addWhole, ENTRY_DIMENSIONS, ENTRY_MEASURES, type UsageEntry, type Whole } from '#domain/usage-entry';
import { storableText } from './storable-text.ts';

const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;

type UpsertStatement = { name: string; text: string };
/** Dimensions and measures in the order of their lists. */
type Summed = { dimensions: readonly (string | null)[]; measures: readonly Whole[] };
type Cell = Summed & { startMs: number; measures: Whole[] };

const SERIES_DIMENSIONS = ENTRY_DIMENSIONS.filter((dimension) => dimension !== 'tenant_id');
const PARAMETERS = [
  'timestamptz[]',
  ...ENTRY_DIMENSIONS.map(() => 'text[]'),
  ...ENTRY_MEASURES.map(() => 'bigint[]'),
].map((type, index) => `$${index + 1}::${type}`);
const COLUMNS = [...ENTRY_DIMENSIONS, ...ENTRY_MEASURES].join(', ');

/**
 * Rows are taken in one order, and hours before days: two transactions with the same rows wait for each
 * other then and never deadlock.
 */
const upsertStatement = (table: string, start: string): UpsertStatement => ({
  name: `upsert_${table}`,
  text: `insert into ${table} (${start}, series_key, ${COLUMNS})
    select start, usage_series_key(${SERIES_DIMENSIONS.join(', ')}) as series_key, ${COLUMNS}
    from unnest(${PARAMETERS.join(', ')}) as delta (start, ${COLUMNS})
    order by tenant_id, start, series_key
    on conflict (tenant_id, ${start}, series_key) do update
      set ${ENTRY_MEASURES.map((measure) => `${measure} = ${table}.${measure} + excluded.${measure}`).join(', ')}`,
});

const UPSERT_HOUR = upsertStatement('usage_hour', 'hour');
const UPSERT_DAY = upsertStatement('usage_day', 'day');

/** Each text behind its length, so that no two lists of dimensions have one key. */
export const seriesKeyOf = (dimensions: readonly (string | null)[]): string => {
  let key = '';
  for (const value of dimensions) key += value === null ? ',' : `,${value.length}:${value}`;
  return key;
};

const keyOf = (startMs: number, dimensions: readonly (string | null)[]): string =>
  startMs + seriesKeyOf(dimensions);

const addInto = ({ measures }: Cell, added: readonly Whole[]): void => {
  for (let index = 0; index < measures.length; index += 1) {
    const measure = added[index] ?? 0;
    if (measure !== 0) measures[index] = addWhole(measures[index] ?? 0, measure);
  }
};

const addTo = (cells: Map<string, Cell>, key: string, startMs: number, added: Summed): Cell => {
  const cell = cells.get(key);
  if (cell === undefined) {
    const begun = { startMs, dimensions: added.dimensions, measures: [...added.measures] };
    cells.set(key, begun);
    return begun;
  }
  addInto(cell, added.measures);
  return cell;
};

const storable = (dimensions: readonly (string | null)[]): (string | null)[] =>
  dimensions.map((value) => (value === null ? null : storableText(value)));

const startOf = (atMs: number, lengthMs: number): number => Math.floor(atMs / lengthMs) * lengthMs;

const sumByHour = (entries: readonly UsageEntry[]): Cell[] => {
  // Entries of one series mostly share its list, which spares them a key of their own.
  const told = new Map<UsageEntry['dimensions'], Map<number, Cell>>();
  const cells = new Map<string, Cell>();
  for (const { startedAtMs, dimensions, measures } of entries) {
    const startMs = startOf(startedAtMs, HOUR_MS);
    let hours = told.get(dimensions);
    if (hours === undefined) told.set(dimensions, (hours = new Map()));
    const cell = hours.get(startMs);
    if (cell !== undefined) addInto(cell, measures);
    else {
      // Texts that differ may be stored alike, and a statement may not have one row twice.
      const stored = storable(dimensions);
      hours.set(startMs, addTo(cells, keyOf(startMs, stored), startMs, { dimensions: stored, measures }));
    }
  }
  return [...cells.values()];
};

const sumByDay = (hours: readonly Cell[]): Cell[] => {
  const cells = new Map<string, Cell>();
  for (const hour of hours) {
    const startMs = startOf(hour.startMs, DAY_MS);
    addTo(cells, keyOf(startMs, hour.dimensions), startMs, hour);
  }
  return [...cells.values()];
};

const upsert = async (client: PoolClient, table: UpsertStatement, rows: readonly Cell[]): Promise<void> => {
  await client.query({
    ...table,
    values: [
      rows.map((row) => new Date(row.startMs).toISOString()),
      ...ENTRY_DIMENSIONS.map((_, index) => rows.map((row) => row.dimensions[index] ?? null)),
      ...ENTRY_MEASURES.map((_, index) => `{${rows.map((row) => row.measures[index] ?? 0).join(',')}}`),
    ],
  });
};

/**
 * Adds entries to the sums of their hours and days (UTC). Last in a transaction, since other recordings
 * wait for the rows it takes.
 */
export const addToRollups = async (client: PoolClient, entries: readonly UsageEntry[]): Promise<void> => {
  if (entries.length === 0) return;
  const hours = sumByHour(entries);
  await upsert(client, UPSERT_HOUR, hours);
  await upsert(client, UPSERT_DAY, sumByDay(hours));
};
