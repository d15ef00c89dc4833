/** A ledger of its own in a real Postgres, with the price book seeded. */
import { createHash } from 'node:crypto';
import type { AttemptEvent } from '#contracts/attempt-event';
import type { Ledger, PricedEvent } from '#domain/ports';
import { NegotiatedRates } from '#domain/negotiated-rate';
import { priceEvent } from '#domain/price-event';
import type { PriceBook } from '#domain/price-book';
import { openDatabase, type Database } from '#postgres/database';
import { createLedger } from '#postgres/ledger';
import { loadPriceBook } from '#postgres/price-book';
import { seedPriceBook } from '#postgres/price-seed';
import type { UsageSelection } from '#postgres/usage-query';
import { readPriceSources } from '#services/metering/price-sources';
import { EVENT_TIME_MS } from './attempt-events.ts';
import { createDatabase } from './services.ts';

export type TestLedger = {
  /** Of its database. */
  url: string;
  database: Database;
  book: PriceBook;
  ledger: Ledger;
  /** As metering hands an event to the ledger: priced, hashed, with the next sequence of a stream. */
  priced: (event: AttemptEvent) => PricedEvent;
  close: () => Promise<void>;
};

const NO_RATES = new NegotiatedRates([]);

export type TestLedgerOptions = {
  /** Negotiated rates at the moment of pricing. @default none */
  rates?: () => NegotiatedRates;
};

export const openTestLedger = async (options: TestLedgerOptions = {}): Promise<TestLedger> => {
  const { url, drop } = await createDatabase();
  const database = openDatabase({
    url,
    poolMax: 4,
    applicationName: 'ledger-test',
    onIdleError: () => undefined,
  });
  for (const source of readPriceSources()) await seedPriceBook(database, source, { nowMs: EVENT_TIME_MS });
  const book = await loadPriceBook(database);
  let streamSequence = 0n;
  return {
    url,
    database,
    book,
    ledger: createLedger(database),
    priced: (event) => {
      const bytes = Buffer.from(JSON.stringify(event));
      streamSequence += 1n;
      return {
        event,
        ...priceEvent(event, { book, rates: options.rates?.() ?? NO_RATES }),
        stream: 'TEST',
        streamSequence,
        payloadHash: createHash('sha256').update(bytes).digest('hex'),
        bytes,
      };
    },
    close: async () => {
      await database.close();
      await drop();
    },
  };
};

/** Every event of every tenant, as one row. */
export const EVERYTHING: UsageSelection = {
  tenantId: null,
  fromMs: Date.UTC(2020, 0),
  toMs: Date.UTC(2030, 0),
  timeZone: 'UTC',
  granularity: 'total',
  groupBy: [],
  filters: {},
  costBasis: 'contracted',
  readsRollups: true,
  asOf: '2100-01-01T00:00:00Z',
  offset: 0,
  limit: 10_000,
};

export const countRows = async (
  database: Database,
  statement: string,
  values: unknown[] = [],
): Promise<number> => {
  const result = await database.pool.query<{ count: string }>(`select count(*) from ${statement}`, values);
  return Number(result.rows[0]?.count);
};
