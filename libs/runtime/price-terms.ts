import { setTimeout as sleep } from 'node:timers/promises';
import type { NegotiatedRates } from '#domain/negotiated-rate';
import type { PriceTerms } from '#domain/price-event';
import type { Database } from '#postgres/database';
import { loadNegotiatedRates, loadNegotiatedRatesVersion } from '#postgres/negotiated-rates';
import type { ProcessContext } from './connections.ts';
import { openPrices } from './prices.ts';

/** How soon a new negotiated rate prices what is recorded. */
const REFRESH_MS = 2_000;

type RatesCache = { current: () => NegotiatedRates; stop: () => Promise<void> };

const openRates = async (database: Database, onError: (error: unknown) => void): Promise<RatesCache> => {
  // The version is read first: a change in between is then seen by the next check.
  let version = await loadNegotiatedRatesVersion(database);
  let rates = await loadNegotiatedRates(database);
  const stopping = new AbortController();
  const refresh = async (): Promise<void> => {
    const newest = await loadNegotiatedRatesVersion(database);
    if (newest === version) return;
    rates = await loadNegotiatedRates(database);
    version = newest;
  };
  const poll = async (): Promise<void> => {
    while (!stopping.signal.aborted) {
      await sleep(REFRESH_MS, undefined, { signal: stopping.signal, ref: false }).catch(() => undefined);
      if (!stopping.signal.aborted) await refresh().catch(onError);
    }
  };
  const polling = poll();
  return {
    current: () => rates,
    stop: async () => {
      stopping.abort();
      await polling;
    },
  };
};

/** The price book and the negotiated rates in memory, kept fresh until the process ends. */
export const openPriceTerms = async (
  context: ProcessContext,
  database: Database,
): Promise<{ current: () => PriceTerms }> => {
  const book = await openPrices(context, database);
  const rates = await context.resources.open(
    'the negotiated rates',
    () =>
      openRates(database, (error) =>
        context.logger.warn({ err: error }, 'the negotiated rates could not be read again'),
      ),
    (opened) => opened.stop(),
  );
  return { current: () => ({ book: book.current(), rates: rates.current() }) };
};
