import { idTimeMs } from '#domain/id-time';
import type { Database } from './database.ts';

const monthOf = (timeMs: number): string => new Date(timeMs).toISOString().slice(0, 7);

export type LedgerMonths = {
  /**
   * Makes sure that the partitions for these attempts exist. Resolves to the attempts whose month was
   * dropped, which can be recorded no more.
   */
  prepare: (attemptIds: readonly string[]) => Promise<ReadonlySet<string>>;
  /** Asks the database anew from now on. */
  forget: () => void;
};

/** The months of the ledger known to exist. */
export const createLedgerMonths = (database: Database): LedgerMonths => {
  const known = new Set<string>();
  return {
    prepare: async (attemptIds) => {
      const byMonth = Map.groupBy(attemptIds, (id) => monthOf(idTimeMs(id)));
      const dropped = new Set<string>();
      for (const [month, ids] of byMonth) {
        if (known.has(month)) continue;
        const answer = await database.pool.query<{ exists: boolean }>(
          'select ledger_ensure_month($1::timestamptz) as exists',
          [`${month}-01T00:00:00Z`],
        );
        if (answer.rows[0]?.exists === true) known.add(month);
        else ids.forEach((id) => dropped.add(id));
      }
      return dropped;
    },
    forget: () => known.clear(),
  };
};
