import { migrate } from '#postgres/migrate';
import { openDatabase } from '#postgres/database';
import { seedPriceBook } from '#postgres/price-seed';
import type { Logger } from '#runtime/logger';
import { readGenaiPrices } from '#services/metering/genai-prices';

/** Brings a database to the newest schema and price book. Safe to repeat, and from several processes. */
export const prepareDatabase = async (databaseUrl: string, logger: Logger): Promise<void> => {
  await migrate(databaseUrl);
  const database = openDatabase({
    url: databaseUrl,
    poolMax: 1,
    applicationName: 'flo2-migrate',
    onIdleError: (error) => logger.warn({ err: error }, 'the Postgres connection was lost'),
  });
  try {
    const newRates = await seedPriceBook(database, readGenaiPrices());
    logger.info({ newRates }, 'the database has the newest schema and prices');
  } finally {
    await database.close();
  }
};
