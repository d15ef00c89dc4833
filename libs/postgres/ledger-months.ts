import { idTimeMs } from '#domain/id-time';
import type { Database } from './database.ts';

const DAY_MS = 86_400_000;

/** The attempts by the month their ids were minted in, as `2026-10`. Most of them share a day. */
const byMonth = (attemptIds: readonly string[]): Map<string, string[]> => {
  const days = Map.groupBy(attemptIds, (id) => Math.floor(idTimeMs(id) / DAY_MS));
  const months = new Map<string, string[]>();
  for (const [day, ids] of days) {
    const month = new Date(day * DAY_MS).toISOString().slice(0, 7);
    months.set(month, [...(months.get(month) ?? []), ...ids]);
  }
  return months;
};

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
      const dropped = new Set<string>();
      for (const [month, ids] of byMonth(attemptIds)) {
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
