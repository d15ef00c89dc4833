import { z } from 'zod';
import { priceChangeOf, priceKeyOf } from '#domain/price-change';
import type { Database } from './database.ts';
import { applyPriceChanges, loadStoredPrices, lockPriceBook } from './price-seed.ts';
import { storedChange, type StoredChange } from './price-snapshots.ts';
import { inTransaction } from './transaction.ts';

export type PriceProposal = {
  id: string;
  source: string;
  version: string;
  hash: string;
  readAt: Date;
  changes: StoredChange[];
};

/**
 * `applied`: how many rates are new in the book. `decided`: somebody has decided before. `too_late`: a rate
 * has begun since the asked moment, and what was charged by it cannot be taken back.
 */
export type Decision = { kind: 'applied'; rates: number } | { kind: 'decided' | 'missing' | 'too_late' };

export type PriceProposals = {
  /** Those that wait, oldest first; a few at most, since a source has one. */
  list: () => Promise<PriceProposal[]>;
  /** Makes the changes in the book from a moment on, in Unix milliseconds. */
  promote: (id: string, by: string, times: { fromMs: number; nowMs: number }) => Promise<Decision>;
  /** False when there is none that waits. */
  reject: (id: string, by: string) => Promise<boolean>;
};

const LISTED_MAX = 100;

type Row = Omit<PriceProposal, 'changes'> & { changes: unknown };
const decodeRow = (row: Row): PriceProposal => ({
  ...row,
  changes: z.array(storedChange).parse(row.changes),
});

const COLUMNS = 'id, source, version, hash, read_at as "readAt", changes';

export const createPriceProposals = (database: Database): PriceProposals => ({
  list: async () => {
    const waiting = await database.pool.query<Row>(
      `select ${COLUMNS} from price_snapshot where state = 'proposed' order by read_at, id limit ${LISTED_MAX}`,
    );
    return waiting.rows.map(decodeRow);
  },

  promote: (id, by, { fromMs, nowMs }) =>
    inTransaction(database, async (client): Promise<Decision> => {
      await lockPriceBook(client);
      const found = await client.query<Row & { state: string }>(
        `select ${COLUMNS}, state from price_snapshot where id = $1 for update`,
        [id],
      );
      const [row] = found.rows;
      if (row === undefined) return { kind: 'missing' };
      if (row.state !== 'proposed') return { kind: 'decided' };
      const proposal = decodeRow(row);
      const stored = await loadStoredPrices(client);
      const begun = new Set(
        [...stored.values()].flat().flatMap((interval) => (interval.fromMs <= nowMs ? [interval.id] : [])),
      );
      const changes = proposal.changes.flatMap(({ prices }) => {
        const [first] = prices;
        if (first === undefined) return [];
        const change = priceChangeOf(row.source, stored.get(priceKeyOf(first)) ?? [], prices, fromMs);
        return change === null ? [] : [change];
      });
      if (changes.some((change) => change.removeIds.some((rate) => begun.has(rate)))) {
        return { kind: 'too_late' };
      }
      const rates = await applyPriceChanges(client, proposal, changes);
      await client.query(
        `update price_snapshot set state = 'applied', decided_at = now(), decided_by = $2 where id = $1`,
        [id, by],
      );
      return { kind: 'applied', rates };
    }),

  reject: async (id, by) => {
    const rejected = await database.pool.query(
      `update price_snapshot set state = 'rejected', decided_at = now(), decided_by = $2
       where id = $1 and state = 'proposed'`,
      [id, by],
    );
    return rejected.rowCount === 1;
  },
});
