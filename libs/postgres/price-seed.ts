import type { PoolClient } from 'pg';
import {
  isWithinBound,
  priceChangeOf,
  priceKeyOf,
  type PriceChange,
  type PriceSource,
  type SourcePrice,
  type StoredInterval,
} from '#domain/price-change';
import type { Database } from './database.ts';
import { insertProposal, noteApplied, wasRead, type SnapshotFacts } from './price-snapshots.ts';
import { inTransaction } from './transaction.ts';

/** Any number, but the same in every flo2: lets one process at a time change the price book. */
const PRICE_BOOK_LOCK = 4_046_171_303;

export const lockPriceBook = async (client: PoolClient): Promise<void> => {
  await client.query('select pg_advisory_xact_lock($1)', [PRICE_BOOK_LOCK]);
};

type StoredRow = {
  id: string;
  provider: string;
  model: string;
  component: string;
  tier: string;
  region: string;
  ratePicoUsd: string;
  inputTotalMin: string;
  inputTotalMax: string | null;
  quantityFrom: string;
  quantityTo: string | null;
  dayMinuteFrom: number | null;
  dayMinuteTo: number | null;
  effectiveFrom: Date;
  effectiveTo: Date | null;
  source: string;
};

const encodeInstant = (ms: number): string => new Date(ms).toISOString();
const bigintOrNull = (text: string | null): bigint | null => (text === null ? null : BigInt(text));
const textOrNull = (value: bigint | null): string | null => (value === null ? null : String(value));

/** The rates of the book by key. */
export const loadStoredPrices = async (client: PoolClient): Promise<Map<string, StoredInterval[]>> => {
  const result = await client.query<StoredRow>(
    `select id, provider, model, component, tier, region, rate_pico_usd as "ratePicoUsd",
            input_total_min as "inputTotalMin", input_total_max as "inputTotalMax",
            quantity_from as "quantityFrom", quantity_to as "quantityTo",
            day_minute_from as "dayMinuteFrom", day_minute_to as "dayMinuteTo",
            effective_from as "effectiveFrom", effective_to as "effectiveTo", source
     from price`,
  );
  const stored = new Map<string, StoredInterval[]>();
  for (const row of result.rows) {
    const key = priceKeyOf({
      ...row,
      inputTotalMin: BigInt(row.inputTotalMin),
      quantityFrom: BigInt(row.quantityFrom),
      dayMinutes: row.dayMinuteFrom === null ? null : { from: row.dayMinuteFrom, to: row.dayMinuteTo ?? 0 },
    });
    const interval: StoredInterval = {
      id: BigInt(row.id),
      source: row.source,
      ratePicoUsd: BigInt(row.ratePicoUsd),
      inputTotalMax: bigintOrNull(row.inputTotalMax),
      quantityTo: bigintOrNull(row.quantityTo),
      dayMinuteTo: row.dayMinuteTo,
      fromMs: row.effectiveFrom.getTime(),
      toMs: row.effectiveTo?.getTime() ?? null,
    };
    const known = stored.get(key);
    if (known === undefined) stored.set(key, [interval]);
    else known.push(interval);
  }
  return stored;
};

const INSERTED: readonly { column: string; type: string; read: (price: SourcePrice) => unknown }[] = [
  { column: 'provider', type: 'text', read: (price) => price.provider },
  { column: 'model', type: 'text', read: (price) => price.model },
  { column: 'component', type: 'text', read: (price) => price.component },
  { column: 'tier', type: 'text', read: (price) => price.tier },
  { column: 'region', type: 'text', read: (price) => price.region },
  { column: 'rate_pico_usd', type: 'bigint', read: (price) => String(price.ratePicoUsd) },
  { column: 'input_total_min', type: 'bigint', read: (price) => String(price.inputTotalMin) },
  { column: 'input_total_max', type: 'bigint', read: (price) => textOrNull(price.inputTotalMax) },
  { column: 'quantity_from', type: 'bigint', read: (price) => String(price.quantityFrom) },
  { column: 'quantity_to', type: 'bigint', read: (price) => textOrNull(price.quantityTo) },
  { column: 'day_minute_from', type: 'integer', read: (price) => price.dayMinutes?.from ?? null },
  { column: 'day_minute_to', type: 'integer', read: (price) => price.dayMinutes?.to ?? null },
  { column: 'effective_from', type: 'timestamptz', read: (price) => encodeInstant(price.effectiveFromMs) },
  {
    column: 'effective_to',
    type: 'timestamptz',
    read: (price) => (price.effectiveToMs === null ? null : encodeInstant(price.effectiveToMs)),
  },
  { column: 'reference', type: 'text', read: (price) => price.reference },
];
const INSERTED_NAMES = INSERTED.map(({ column }) => column).join(', ');

/** Makes the changes in the book, as those of this snapshot of their source. */
export const applyPriceChanges = async (
  client: PoolClient,
  snapshot: SnapshotFacts,
  changes: readonly PriceChange[],
): Promise<number> => {
  const removeIds = changes.flatMap((change) => change.removeIds.map(String));
  if (removeIds.length > 0) {
    await client.query('delete from price where id = any($1::bigint[])', [removeIds]);
  }
  const closes = changes.filter((change) => change.closeId !== null);
  if (closes.length > 0) {
    await client.query(
      `update price set effective_to = closing.moment
       from unnest($1::bigint[], $2::timestamptz[]) as closing (id, moment) where price.id = closing.id`,
      [closes.map((change) => String(change.closeId)), closes.map((change) => encodeInstant(change.atMs))],
    );
  }
  const inserts = changes.flatMap((change) => change.insert);
  if (inserts.length === 0) return 0;
  const arrays = INSERTED.map(({ type }, index) => `$${index + 5}::${type}[]`).join(', ');
  await client.query(
    `insert into price (source, source_version, source_hash, snapshot_id, ${INSERTED_NAMES})
     select $1, $2, $3, $4, ${INSERTED_NAMES} from unnest(${arrays}) as listed (${INSERTED_NAMES})`,
    [
      snapshot.source,
      snapshot.version,
      snapshot.hash,
      snapshot.id,
      ...INSERTED.map(({ read }) => inserts.map(read)),
    ],
  );
  return inserts.length;
};

/** What the source changes in the book from `nowMs` on. */
export const readPriceChanges = async (
  client: PoolClient,
  source: Pick<PriceSource, 'name' | 'prices'>,
  nowMs: number,
): Promise<{ change: PriceChange; prices: readonly SourcePrice[] }[]> => {
  const stored = await loadStoredPrices(client);
  const changes: { change: PriceChange; prices: readonly SourcePrice[] }[] = [];
  for (const [key, prices] of Map.groupBy(source.prices, priceKeyOf)) {
    const change = priceChangeOf(source.name, stored.get(key) ?? [], prices, nowMs);
    if (change !== null) changes.push({ change, prices });
  }
  return changes;
};

export type SeedOptions = {
  /** Unix milliseconds. @default now */
  nowMs?: number;
  /** By how many percent a rate may change without a person. @default 0 */
  changePercentMax?: number;
};

/** `added`: rates that are in the book now. `proposed`: changes that wait for a person. */
export type SeedCounts = { added: number; proposed: number };

/**
 * Brings the price book towards what the source lists, from now on: what had no rate gets one, a rate that
 * changes within the bound ends and a new one begins, and the other changes are proposed. The past and all
 * that was charged by it stay, and so do rates the source no longer lists. Safe to call at every start and
 * from several processes.
 */
export const seedPriceBook = async (
  database: Database,
  source: PriceSource,
  { nowMs = Date.now(), changePercentMax = 0 }: SeedOptions = {},
): Promise<SeedCounts> =>
  inTransaction(database, async (client) => {
    await lockPriceBook(client);
    if (await wasRead(client, source)) return { added: 0, proposed: 0 };
    const changes = await readPriceChanges(client, source, nowMs);
    const small = changes.filter(({ change }) => isWithinBound(change, changePercentMax));
    const large = changes.filter(({ change }) => !isWithinBound(change, changePercentMax));
    const snapshot = await noteApplied(client, source, nowMs);
    const added = await applyPriceChanges(
      client,
      snapshot,
      small.map(({ change }) => change),
    );
    if (large.length > 0) await insertProposal(client, source, large, nowMs);
    return { added, proposed: large.length };
  });
