import type { PoolClient } from 'pg';
import type { Database } from './database.ts';

/** Runs `work` in one transaction: committed when it resolves, rolled back when it rejects. */
export const inTransaction = async <Result>(
  database: Database,
  work: (client: PoolClient) => Promise<Result>,
): Promise<Result> => {
  const client = await database.pool.connect();
  let broken = false;
  try {
    await client.query('begin');
    const result = await work(client);
    await client.query('commit');
    return result;
  } catch (error) {
    await client.query('rollback').catch(() => (broken = true));
    throw error;
  } finally {
    // A connection that cannot even roll back is not given back to the pool.
    client.release(broken);
  }
};

/** Postgres has ended one of several transactions that waited for each other. */
const DEADLOCK = '40P01';
const TRIES_MAX = 5;

/** As `inTransaction`, begun anew where it was the one to give way; for those that touch many rows. */
export const inWideTransaction = async <Result>(
  database: Database,
  work: (client: PoolClient) => Promise<Result>,
): Promise<Result> => {
  for (let tries = 1; ; tries += 1) {
    try {
      return await inTransaction(database, work);
    } catch (error) {
      const gaveWay = error instanceof Error && 'code' in error && error.code === DEADLOCK;
      if (!gaveWay || tries === TRIES_MAX) throw error;
    }
  }
};
