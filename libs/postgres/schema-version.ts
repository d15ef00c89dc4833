import { readFileSync } from 'node:fs';
import { DatabaseError } from 'pg';
import { z } from 'zod';
import type { Database } from './database.ts';

const journal = z.object({ entries: z.array(z.object({ when: z.number() })).min(1) });

/** When the newest migration this flo2 knows was made; drizzle records the same number once it is applied. */
const readNewestMigration = (): number => {
  const text = readFileSync(new URL('./migrations/meta/_journal.json', import.meta.url), 'utf8');
  return Math.max(...journal.parse(JSON.parse(text)).entries.map((entry) => entry.when));
};

/** SQLSTATE of a setting that cannot be: the role that pools work as comes with a migration. */
const NO_SUCH_ROLE = '22023';

const readSchema = async (database: Database): Promise<boolean> => {
  const table = await database.pool.query<{ exists: boolean }>(
    `select to_regclass('drizzle.__drizzle_migrations') is not null as exists`,
  );
  if (table.rows[0]?.exists !== true) return false;
  const applied = await database.pool.query<{ newest: string | null }>(
    'select max(created_at)::text as newest from drizzle.__drizzle_migrations',
  );
  return Number(applied.rows[0]?.newest ?? 0) >= readNewestMigration();
};

/** Whether every migration this flo2 knows is applied. Rejects when the database cannot be reached. */
export const isSchemaCurrent = async (database: Database): Promise<boolean> => {
  try {
    return await readSchema(database);
  } catch (error) {
    if (error instanceof DatabaseError && error.code === NO_SUCH_ROLE) return false;
    throw error;
  }
};
