import type { Database } from '#postgres/database';
import { openPriceBookCache, type PriceBookCache } from '#postgres/price-book';
import type { ProcessContext } from './connections.ts';

/** The price book in memory, kept fresh until the process ends. */
export const openPrices = (
  { logger, resources }: ProcessContext,
  database: Database,
): Promise<PriceBookCache> =>
  resources.open(
    'the price book',
    () =>
      openPriceBookCache({
        database,
        onError: (error) => logger.warn({ err: error }, 'the price book could not be read again'),
      }),
    (prices) => prices.stop(),
  );
