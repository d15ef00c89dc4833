import { fileURLToPath } from 'node:url';
import { drizzle } from 'drizzle-orm/node-postgres';
import { migrate as applyMigrations } from 'drizzle-orm/node-postgres/migrator';
import { Client } from 'pg';

/** Any number, but the same in every flo2: the session lock that lets one process migrate at a time. */
const MIGRATION_LOCK = 4_046_171_302;

/** Labels and model names may be in any script; a database of another encoding would refuse some. */
const requireUnicode = async (client: Client): Promise<void> => {
  const { rows } = await client.query<{ server_encoding: string }>('show server_encoding');
  const encoding = rows[0]?.server_encoding;
  if (encoding === 'UTF8') return;
  throw new Error(
    `The database has the encoding ${encoding}; flo2 needs UTF8: create it with "create database … encoding 'UTF8' template template0".`,
  );
};

/**
 * Brings the database to the newest schema; safe to call from several processes at once. Rejects for a
 * database that is not UTF8.
 */
export const migrate = async (databaseUrl: string): Promise<void> => {
  const client = new Client({
    connectionString: databaseUrl,
    application_name: 'flo2-migrate',
    connectionTimeoutMillis: 10_000,
  });
  await client.connect();
  try {
    await requireUnicode(client);
    await client.query('select pg_advisory_lock($1)', [MIGRATION_LOCK]);
    await applyMigrations(drizzle({ client }), {
      migrationsFolder: fileURLToPath(new URL('./migrations', import.meta.url)),
    });
  } finally {
    await client.end();
  }
};
