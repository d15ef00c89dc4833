import type { Database } from './database.ts';

const MONTHS_AHEAD = 2;

export type LedgerUpkeep = {
  /** Makes the partitions of this month and the next ones, so that no recording waits for one. */
  prepareMonths: () => Promise<void>;
  /**
   * Drops the events, charges and adjustments of the months that ended so many whole months ago. Resolves to
   * the number of tables dropped.
   */
  dropOldMonths: (retentionMonths: number) => Promise<number>;
};

/** What keeps the ledger going; safe to be done by several instances at once. */
export const createLedgerUpkeep = (database: Database): LedgerUpkeep => ({
  prepareMonths: async () => {
    await database.pool.query(
      `select ledger_ensure_month(now() + ahead * interval '1 month') from generate_series(0, $1::int) as ahead`,
      [MONTHS_AHEAD],
    );
  },
  dropOldMonths: async (retentionMonths) => {
    const dropped = await database.pool.query<{ tables: number }>(
      `select ledger_drop_months(now() - $1::int * interval '1 month') as tables`,
      [retentionMonths],
    );
    return dropped.rows[0]?.tables ?? 0;
  },
});
