/** One replica of metering, in a thread of its own, that records its part of the events of the bench of the ledger. */
import { isMainThread, parentPort, workerData } from 'node:worker_threads';
import { NegotiatedRates } from '#domain/negotiated-rate';
import type { PriceTerms } from '#domain/price-event';
import { openDatabase, type Database } from '#postgres/database';
import { createLedger } from '#postgres/ledger';
import { loadPriceBook } from '#postgres/price-book';
import { BATCH_MAX, decodeBatch } from '#services/metering/consume';
import { READERS } from '#services/metering/service';
import { EventText, type EventPart } from './event-text.ts';

export type RecorderData = { url: string; events: number; fromMs: number; stepMs: number; part: EventPart };

export const loadTerms = async (database: Database): Promise<PriceTerms> => ({
  book: await loadPriceBook(database),
  rates: new NegotiatedRates([]),
});

const record = async ({ url, ...made }: RecorderData, onRecorded: (count: number) => void): Promise<void> => {
  const database = openDatabase({
    url,
    poolMax: READERS + 1,
    applicationName: 'bench-ledger',
    onIdleError: () => undefined,
  });
  const terms = await loadTerms(database);
  const ledger = createLedger(database);
  const source = new EventText(made);
  const read = async (): Promise<void> => {
    for (let batch = source.take(BATCH_MAX); batch.length > 0; batch = source.take(BATCH_MAX)) {
      const counts = await ledger.recordEvents(decodeBatch(batch, terms, () => undefined));
      onRecorded(counts.recorded);
    }
  };
  await Promise.all(Array.from({ length: READERS }, read));
  await database.close();
};

if (!isMainThread) await record(workerData as RecorderData, (count) => parentPort?.postMessage(count));
