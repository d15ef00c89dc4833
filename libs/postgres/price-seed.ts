import type { PoolClient } from 'pg';
import type { TokenClass } from '#contracts/usage';
import type { ProviderId } from '#contracts/vocabulary';
import type { Database } from './database.ts';
import { inTransaction } from './transaction.ts';

export type SourcePrice = {
  provider: ProviderId;
  model: string;
  component: TokenClass;
  tier: string;
  ratePicoUsd: bigint;
  /** Both inclusive. */
  inputTotalMin: bigint;
  inputTotalMax: bigint | null;
  /** Unix milliseconds, the end exclusive. */
  effectiveFromMs: number;
  effectiveToMs: number | null;
};

/** Prices as some source lists them now; the rows of one key (see `keyOf`) do not overlap in time. */
export type PriceSource = {
  name: string;
  version: string;
  /** SHA-256 of what was read, hex. */
  hash: string;
  prices: readonly SourcePrice[];
};

/** Any number, but the same in every flo2: lets one process at a time change the price book. */
const PRICE_BOOK_LOCK = 4_046_171_303;

type Interval = {
  ratePicoUsd: bigint;
  inputTotalMax: bigint | null;
  fromMs: number;
  toMs: number | null;
};
type StoredInterval = Interval & { id: bigint; source: string };

const keyOf = (row: {
  provider: string;
  model: string;
  component: string;
  tier: string;
  inputTotalMin: bigint;
}): string => JSON.stringify([row.provider, row.model, row.component, row.tier, String(row.inputTotalMin)]);

const groupBy = <Row>(rows: readonly Row[], readKey: (row: Row) => string): Map<string, Row[]> => {
  const groups = new Map<string, Row[]>();
  for (const row of rows) {
    const key = readKey(row);
    const group = groups.get(key);
    if (group === undefined) groups.set(key, [row]);
    else group.push(row);
  }
  return groups;
};

const inForceAt = <Row extends Interval>(intervals: readonly Row[], atMs: number): Row | undefined =>
  intervals.find(({ fromMs, toMs }) => fromMs <= atMs && (toMs === null || atMs < toMs));

const sameRate = (a: Interval | undefined, b: Interval | undefined): boolean =>
  a?.ratePicoUsd === b?.ratePicoUsd && a?.inputTotalMax === b?.inputTotalMax;

/** The first moment from `nowMs` on at which the two say something different; null when they never do. */
const firstDifferenceMs = (
  stored: readonly Interval[],
  listed: readonly Interval[],
  nowMs: number,
): number | null => {
  const moments = [...stored, ...listed]
    .flatMap(({ fromMs, toMs }) => (toMs === null ? [fromMs] : [fromMs, toMs]))
    .filter((moment) => moment > nowMs);
  const ordered = [nowMs, ...moments].sort((a, b) => a - b);
  return ordered.find((moment) => !sameRate(inForceAt(stored, moment), inForceAt(listed, moment))) ?? null;
};

type StoredRow = {
  id: string;
  provider: string;
  model: string;
  component: string;
  tier: string;
  ratePicoUsd: string;
  inputTotalMin: string;
  inputTotalMax: string | null;
  effectiveFrom: Date;
  effectiveTo: Date | null;
  source: string;
};

const encodeInstant = (ms: number): string => new Date(ms).toISOString();

const loadStored = async (client: PoolClient): Promise<Map<string, StoredInterval[]>> => {
  const result = await client.query<StoredRow>(
    `select id, provider, model, component, tier, rate_pico_usd as "ratePicoUsd",
            input_total_min as "inputTotalMin", input_total_max as "inputTotalMax",
            effective_from as "effectiveFrom", effective_to as "effectiveTo", source
     from price`,
  );
  const rows = result.rows.map((row) => ({
    key: keyOf({ ...row, inputTotalMin: BigInt(row.inputTotalMin) }),
    id: BigInt(row.id),
    source: row.source,
    ratePicoUsd: BigInt(row.ratePicoUsd),
    inputTotalMax: row.inputTotalMax === null ? null : BigInt(row.inputTotalMax),
    fromMs: row.effectiveFrom.getTime(),
    toMs: row.effectiveTo?.getTime() ?? null,
  }));
  return groupBy(rows, (row) => row.key);
};

const insertPrices = async (client: PoolClient, source: PriceSource, prices: readonly SourcePrice[]) => {
  await client.query(
    `insert into price (provider, model, component, tier, rate_pico_usd, input_total_min, input_total_max,
                        effective_from, effective_to, source, source_version, source_hash)
     select provider, model, component, tier, rate, minimum, maximum, effective_from, effective_to, $10, $11, $12
     from unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::bigint[], $6::bigint[], $7::bigint[],
                 $8::timestamptz[], $9::timestamptz[])
       as listed (provider, model, component, tier, rate, minimum, maximum, effective_from, effective_to)`,
    [
      prices.map((price) => price.provider),
      prices.map((price) => price.model),
      prices.map((price) => price.component),
      prices.map((price) => price.tier),
      prices.map((price) => String(price.ratePicoUsd)),
      prices.map((price) => String(price.inputTotalMin)),
      prices.map((price) => (price.inputTotalMax === null ? null : String(price.inputTotalMax))),
      prices.map((price) => encodeInstant(price.effectiveFromMs)),
      prices.map((price) => (price.effectiveToMs === null ? null : encodeInstant(price.effectiveToMs))),
      source.name,
      source.version,
      source.hash,
    ],
  );
};

type Change = { closeId: bigint | null; removeIds: bigint[]; insert: SourcePrice[]; atMs: number };

/** What to do about one key so that from now on the book says what the source lists; null for nothing. */
const changeOf = (
  source: PriceSource,
  stored: readonly StoredInterval[],
  prices: readonly SourcePrice[],
  nowMs: number,
): Change | null => {
  if (stored.length === 0) return { closeId: null, removeIds: [], insert: [...prices], atMs: nowMs };
  // A rate that somebody else put into the book is theirs to change.
  if (stored.some((interval) => interval.source !== source.name)) return null;
  const listed = prices.map((price) => ({
    ratePicoUsd: price.ratePicoUsd,
    inputTotalMax: price.inputTotalMax,
    fromMs: price.effectiveFromMs,
    toMs: price.effectiveToMs,
  }));
  const atMs = firstDifferenceMs(stored, listed, nowMs);
  if (atMs === null) return null;
  const insert = prices
    .filter((price) => price.effectiveToMs === null || price.effectiveToMs > atMs)
    .map((price) => ({ ...price, effectiveFromMs: Math.max(price.effectiveFromMs, atMs) }));
  const open = inForceAt(stored, atMs);
  return {
    closeId: open !== undefined && open.fromMs < atMs ? open.id : null,
    // These have not begun, so nothing was charged by them.
    removeIds: stored.filter((interval) => interval.fromMs >= atMs).map((interval) => interval.id),
    insert,
    atMs,
  };
};

/**
 * Brings the price book to what the source lists, from now on: a rate that changed ends and a new one
 * begins, while the past and all that was charged by it stay. Rates the source no longer lists stay in
 * force. Safe to call at every start and from several processes. Resolves to the number of new rates.
 */
export const seedPriceBook = async (
  database: Database,
  source: PriceSource,
  nowMs: number = Date.now(),
): Promise<number> =>
  inTransaction(database, async (client) => {
    await client.query('select pg_advisory_xact_lock($1)', [PRICE_BOOK_LOCK]);
    const stored = await loadStored(client);
    const changes: Change[] = [];
    for (const [key, prices] of groupBy(source.prices, keyOf)) {
      const change = changeOf(source, stored.get(key) ?? [], prices, nowMs);
      if (change !== null) changes.push(change);
    }
    const removeIds = changes.flatMap((change) => change.removeIds.map(String));
    if (removeIds.length > 0)
      await client.query('delete from price where id = any($1::bigint[])', [removeIds]);
    const closes = changes.filter((change) => change.closeId !== null);
    if (closes.length > 0) {
      await client.query(
        `update price set effective_to = closing.moment
         from unnest($1::bigint[], $2::timestamptz[]) as closing (id, moment) where price.id = closing.id`,
        [closes.map((change) => String(change.closeId)), closes.map((change) => encodeInstant(change.atMs))],
      );
    }
    const inserts = changes.flatMap((change) => change.insert);
    if (inserts.length > 0) await insertPrices(client, source, inserts);
    return inserts.length;
  });
