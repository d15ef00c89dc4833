import { migrate } from '#postgres/migrate';
import { openDatabase } from '#postgres/database';
import { seedPriceBook } from '#postgres/price-seed';
import type { Logger } from '#runtime/logger';
import { readPriceSources } from '#services/metering/price-sources';

export type PrepareOptions = {
  databaseUrl: string;
  /** By how many percent a list price may change without a person's promotion. */
  priceChangePercentMax: number;
};

/** Brings a database to the newest schema and price book. Safe to repeat, and from several processes. */
export const prepareDatabase = async (
  { databaseUrl, priceChangePercentMax }: PrepareOptions,
  logger: Logger,
): Promise<void> => {
  await migrate(databaseUrl);
  const database = openDatabase({
    url: databaseUrl,
    poolMax: 1,
    applicationName: 'flo2-migrate',
    onIdleError: (error) => logger.warn({ err: error }, 'the Postgres connection was lost'),
  });
  try {
    let newRates = 0;
    let proposedChanges = 0;
    for (const source of readPriceSources()) {
      const counts = await seedPriceBook(database, source, { changePercentMax: priceChangePercentMax });
      newRates += counts.added;
      proposedChanges += counts.proposed;
    }
    logger.info({ newRates, proposedChanges }, 'the database has the newest schema and prices');
  } finally {
    await database.close();
  }
};
