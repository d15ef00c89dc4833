import type { PoolClient } from 'pg';

/** The instant that a transaction records at, as the database gave it. */
export type RecordingInstant = {
  /** For a `timestamptz` parameter. */
  text: string;
  /** Unix microseconds, which a number holds exactly until the year 2255. */
  microseconds: number;
};

/** Begins to record; what is reported as of a moment before it stays as it is. */
export const takeRecordingInstant = async (client: PoolClient): Promise<RecordingInstant> => {
  const begun = await client.query<{ text: string; microseconds: string }>(
    `select begun::text as text, (extract(epoch from begun) * 1000000)::bigint as microseconds
     from ledger_begin_recording() as begun`,
  );
  const [row] = begun.rows;
  if (row === undefined) throw new Error('a function without a set has one row');
  return { text: row.text, microseconds: Number(row.microseconds) };
};
