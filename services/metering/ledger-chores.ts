import type { Logger } from '#domain/ports';
import type { PriceTerms } from '#domain/price-event';
import type { Database } from '#postgres/database';
import { createLedgerUpkeep } from '#postgres/ledger-upkeep';
import { createRepricings } from '#postgres/repricing';
import { createRollupVerifier } from '#postgres/rollup-verifier';
import { listStreamGaps, mergeRecordedRanges } from '#postgres/stream-gaps';
import type { Chore } from './upkeep.ts';

const SECOND_MS = 1_000;
const MINUTE_MS = 60 * SECOND_MS;

export type LedgerChoreDependencies = {
  database: Database;
  prices: { current: () => PriceTerms };
  ledgerRetentionMonths: number;
  logger: Logger;
};

/** What keeps the ledger going beside the recording. Every instance does all of it; none does harm twice. */
export const ledgerChores = ({
  database,
  prices,
  ledgerRetentionMonths,
  logger,
}: LedgerChoreDependencies): Chore[] => {
  const upkeep = createLedgerUpkeep(database);
  const repricings = createRepricings(database);
  const verifier = createRollupVerifier(database);
  let knownGaps = '';
  return [
    {
      name: 'months',
      everyMs: 60 * MINUTE_MS,
      run: async () => {
        await upkeep.prepareMonths();
        if (ledgerRetentionMonths > 0) await upkeep.dropOldMonths(ledgerRetentionMonths);
      },
    },
    {
      name: 're-pricing',
      everyMs: SECOND_MS,
      run: async (signal) => {
        while (!signal.aborted && (await repricings.step(prices.current()))) continue;
      },
    },
    {
      name: 'verification of the sums',
      everyMs: MINUTE_MS,
      run: async () => {
        const { mismatches } = await verifier.verifyChanged();
        if (mismatches.length > 0) {
          logger.error({ mismatches: mismatches.length }, 'sums of the ledger differ from its events');
        }
      },
    },
    {
      name: 'stream sequences',
      everyMs: MINUTE_MS,
      run: async () => {
        await mergeRecordedRanges(database);
        const gaps = await listStreamGaps(database);
        const named = gaps.map(({ stream, first, last }) => `${stream} ${first}-${last}`).join(', ');
        if (named !== knownGaps && gaps.length > 0) {
          logger.error(
            { gaps: gaps.length, first: named.slice(0, 200) },
            'events never came from the stream',
          );
        }
        knownGaps = named;
      },
    },
  ];
};
