import type { PoolClient } from 'pg';
import { ENTRY_DIMENSIONS, ENTRY_MEASURES, type UsageEntry } from '#domain/usage-entry';
import { storableText } from './storable-text.ts';

const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;

type Cell = { startMs: number; dimensions: readonly (string | null)[]; measures: bigint[] };

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
const upsertStatement = (table: string, start: string): { name: string; text: string } => ({
  name: `upsert_${table}`,
  text: `insert into ${table} (${start}, series_key, ${COLUMNS})
    select start, usage_series_key(${SERIES_DIMENSIONS.join(', ')}) as series_key, ${COLUMNS}
    from unnest(${PARAMETERS.join(', ')}) as delta (start, ${COLUMNS})
    order by tenant_id, start, series_key
    on conflict (tenant_id, ${start}, series_key) do update
      set ${ENTRY_MEASURES.map((measure) => `${measure} = ${table}.${measure} + excluded.${measure}`).join(', ')}`,
});

const TABLES = [
  { lengthMs: HOUR_MS, statement: upsertStatement('usage_hour', 'hour') },
  { lengthMs: DAY_MS, statement: upsertStatement('usage_day', 'day') },
];

const gather = (cells: Map<string, Cell>, entry: UsageEntry, startMs: number, dimensionKey: string): void => {
  const key = `${startMs}${dimensionKey}`;
  const cell = cells.get(key);
  if (cell === undefined) {
    cells.set(key, { startMs, dimensions: entry.dimensions, measures: [...entry.measures] });
    return;
  }
  entry.measures.forEach((measure, index) => {
    if (measure !== 0n) cell.measures[index] = (cell.measures[index] ?? 0n) + measure;
  });
};

/**
 * Adds entries to the sums of their hours and days (UTC). Last in a transaction, since other recordings
 * wait for the rows it takes.
 */
export const addToRollups = async (client: PoolClient, entries: readonly UsageEntry[]): Promise<void> => {
  if (entries.length === 0) return;
  const storable = entries.map((entry) => ({
    ...entry,
    dimensions: entry.dimensions.map((value) => (value === null ? null : storableText(value))),
  }));
  for (const { lengthMs, statement } of TABLES) {
    const cells = new Map<string, Cell>();
    for (const entry of storable) {
      const startMs = Math.floor(entry.startedAtMs / lengthMs) * lengthMs;
      gather(cells, entry, startMs, JSON.stringify(entry.dimensions));
    }
    const rows = [...cells.values()];
    await client.query({
      ...statement,
      values: [
        rows.map((row) => new Date(row.startMs).toISOString()),
        ...ENTRY_DIMENSIONS.map((_, index) => rows.map((row) => row.dimensions[index] ?? null)),
        ...ENTRY_MEASURES.map((_, index) => `{${rows.map((row) => row.measures[index] ?? 0n).join(',')}}`),
      ],
    });
  }
};
