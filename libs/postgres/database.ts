import { drizzle, type NodePgDatabase } from 'drizzle-orm/node-postgres';
import type { Pool } from 'pg';
import { TenantPool } from './tenant-pool.ts';

export type Database = {
  pool: Pool;
  query: NodePgDatabase;
  close: () => Promise<void>;
};

export type DatabaseOptions = {
  url: string;
  poolMax: number;
  /** Shown in `pg_stat_activity`. */
  applicationName: string;
  onIdleError: (error: Error) => void;
};

/** Opens a pool; no connection is made until the first query. */
export const openDatabase = (options: DatabaseOptions): Database => {
  const pool = new TenantPool({
    connectionString: options.url,
    max: options.poolMax,
    application_name: options.applicationName,
    connectionTimeoutMillis: 5_000,
    statement_timeout: 60_000,
    idle_in_transaction_session_timeout: 60_000,
  });
  // A connection that breaks while a transaction holds it and asks nothing tells nobody but this: unheard, it
  // would end the process. Whoever holds it is told by its next query.
  pool.on('connect', (client) => client.on('error', () => undefined));
  pool.on('error', options.onIdleError);
  return { pool, query: drizzle({ client: pool }), close: () => pool.end() };
};
