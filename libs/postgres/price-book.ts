import { setTimeout as sleep } from 'node:timers/promises';
import { PriceBook, type PriceRate } from '#domain/price-book';
import type { Database } from './database.ts';

/** Far above what all providers list; a book past it is a mistake that should not fill the memory. */
const RATES_MAX = 200_000;

type RateRow = {
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
};

const RATE_COLUMNS = `id, provider, model, component, tier, region, rate_pico_usd as "ratePicoUsd",
  input_total_min as "inputTotalMin", input_total_max as "inputTotalMax",
  quantity_from as "quantityFrom", quantity_to as "quantityTo",
  day_minute_from as "dayMinuteFrom", day_minute_to as "dayMinuteTo",
  effective_from as "effectiveFrom", effective_to as "effectiveTo"`;

const decodeRate = (row: RateRow): PriceRate => ({
  id: BigInt(row.id),
  provider: row.provider,
  model: row.model,
  component: row.component,
  tier: row.tier,
  region: row.region,
  ratePicoUsd: BigInt(row.ratePicoUsd),
  inputTotalMin: BigInt(row.inputTotalMin),
  inputTotalMax: row.inputTotalMax === null ? null : BigInt(row.inputTotalMax),
  quantityFrom: BigInt(row.quantityFrom),
  quantityTo: row.quantityTo === null ? null : BigInt(row.quantityTo),
  dayMinutes:
    row.dayMinuteFrom === null || row.dayMinuteTo === null
      ? null
      : { from: row.dayMinuteFrom, to: row.dayMinuteTo },
  effectiveFromMs: row.effectiveFrom.getTime(),
  effectiveToMs: row.effectiveTo?.getTime() ?? null,
});

/** Reads the whole price book, past and future rates too. */
export const loadPriceBook = async (database: Database): Promise<PriceBook> => {
  const result = await database.pool.query<RateRow>(
    `select ${RATE_COLUMNS} from price order by id limit ${RATES_MAX + 1}`,
  );
  if (result.rows.length > RATES_MAX) throw new Error(`the price table has more than ${RATES_MAX} rows`);
  return new PriceBook(result.rows.map(decodeRate));
};

/** Changes with every change of the table: rates are only added, closed once, or dropped before they began. */
const loadVersion = async (database: Database): Promise<string> => {
  const result = await database.pool.query<{ version: string }>(
    `select concat_ws('/', count(*), max(id), count(effective_to)) as version from price`,
  );
  return result.rows[0]?.version ?? '';
};

export type PriceBookCache = {
  /** The book as last read. */
  current: () => PriceBook;
  /** Reads the book again where it changed. Rejects with the driver's error; the old book stays. */
  refresh: () => Promise<void>;
  stop: () => Promise<void>;
};

export type PriceBookCacheOptions = {
  database: Database;
  /** How often to ask whether the book changed. */
  refreshMs?: number;
  /** Called when asking failed; the next try comes after `refreshMs`. */
  onError: (error: unknown) => void;
};

/** Reads the price book and keeps it fresh. Rejects when it cannot be read the first time. */
export const openPriceBookCache = async (options: PriceBookCacheOptions): Promise<PriceBookCache> => {
  const { database, refreshMs = 30_000, onError } = options;
  // The version is read first: a change in between is then seen by the next check.
  let version = await loadVersion(database);
  let book = await loadPriceBook(database);

  const refresh = async () => {
    const newest = await loadVersion(database);
    if (newest === version) return;
    book = await loadPriceBook(database);
    version = newest;
  };

  const stopping = new AbortController();
  const poll = async () => {
    while (!stopping.signal.aborted) {
      await sleep(refreshMs, undefined, { signal: stopping.signal, ref: false }).catch(() => undefined);
      if (!stopping.signal.aborted) await refresh().catch(onError);
    }
  };
  const polling = poll();

  return {
    current: () => book,
    refresh,
    stop: async () => {
      stopping.abort();
      await polling;
    },
  };
};

export type ListedPrice = PriceRate & {
  source: string;
  sourceVersion: string;
  sourceHash: string;
  reference: string | null;
};

export type PriceListQuery = {
  provider?: string | undefined;
  model?: string | undefined;
  tier?: string | undefined;
  /** Unix milliseconds: only rates in force then. */
  atMs: number;
  /** The last price of the page before. */
  after?: PricePosition | undefined;
  limit: number;
};

/** Where a page ends, in the order of the list. */
export type PricePosition = [provider: string, model: string, component: string, tier: string, id: string];

export const positionOf = (price: ListedPrice): PricePosition => [
  price.provider,
  price.model,
  price.component,
  price.tier,
  String(price.id),
];

/** One page of the rates in force, with where they come from. */
export const listPrices = async (database: Database, query: PriceListQuery): Promise<ListedPrice[]> => {
  const after = query.after ?? [null, null, null, null, null];
  const result = await database.pool.query<
    RateRow & Pick<ListedPrice, 'source' | 'sourceVersion' | 'sourceHash' | 'reference'>
  >(
    `select ${RATE_COLUMNS}, source, source_version as "sourceVersion", source_hash as "sourceHash", reference
     from price
     where effective_from <= $1 and (effective_to is null or effective_to > $1)
       and ($2::text is null or provider = $2) and ($3::text is null or model = $3)
       and ($10::text is null or tier = $10)
       and ($4::text is null
            or (provider, model, component, tier, id) > ($4, $5, $6, $7, $8::bigint))
     order by provider, model, component, tier, id
     limit $9`,
    [
      new Date(query.atMs).toISOString(),
      query.provider ?? null,
      query.model ?? null,
      ...after,
      query.limit,
      query.tier ?? null,
    ],
  );
  return result.rows.map((row) => ({
    ...decodeRate(row),
    source: row.source,
    sourceVersion: row.sourceVersion,
    sourceHash: row.sourceHash,
    reference: row.reference,
  }));
};
