/** Opens what most roles need: a pool of Postgres connections and a connection to NATS. */
import { setTimeout as sleep } from 'node:timers/promises';
import type { NatsConnection } from '@nats-io/transport-node';
import { connectNats } from '#nats/connection';
import { openDatabase, type Database } from '#postgres/database';
import { isSchemaCurrent } from '#postgres/schema-version';
import type { Logger } from './logger.ts';
import type { Resources } from './resources.ts';

export type ProcessContext = { logger: Logger; resources: Resources };

type PostgresOptions = { url: string; role: string; poolMax: number };

const SCHEMA_WAIT_MS = 60_000;
const SCHEMA_POLL_MS = 500;
const NATS_CLOSE_WAIT_MS = 5_000;

/** A migration may be under way in another process, and the database may still be starting. */
const waitForSchema = async (database: Database, logger: Logger): Promise<void> => {
  const giveUpAtMs = performance.now() + SCHEMA_WAIT_MS;
  let hasTold = false;
  for (;;) {
    let trouble: { message: string; cause?: unknown };
    try {
      if (await isSchemaCurrent(database)) return;
      trouble = {
        message:
          'The database does not have the schema of this flo2: run node services/migrate/main.ts once.',
      };
    } catch (error) {
      trouble = { message: 'The database of DATABASE_URL cannot be used.', cause: error };
    }
    if (performance.now() > giveUpAtMs) throw new Error(trouble.message, { cause: trouble.cause });
    if (!hasTold) logger.warn({ err: trouble.cause }, `waiting: ${trouble.message}`);
    hasTold = true;
    await sleep(SCHEMA_POLL_MS);
  }
};

/** Rejects when the database cannot be used or has not the newest schema within a minute. */
export const openPostgres = async (
  { logger, resources }: ProcessContext,
  { url, role, poolMax }: PostgresOptions,
): Promise<Database> => {
  const database = await resources.open(
    `the Postgres pool of ${role}`,
    () =>
      openDatabase({
        url,
        poolMax,
        applicationName: `flo2-${role}`,
        onIdleError: (error) => logger.warn({ err: error }, 'an idle Postgres connection was lost'),
      }),
    (opened) => opened.close(),
  );
  await waitForSchema(database, logger);
  return database;
};

/** Rejects when no server answers within half a minute; later losses are mended by the connection itself. */
export const openNats = (
  { logger, resources }: ProcessContext,
  { url, role }: { url: string; role: string },
): Promise<NatsConnection> =>
  resources.open(
    `the NATS connection of ${role}`,
    () => connectNats({ url, name: `flo2-${role}`, logger }),
    async (connection) => {
      if (!connection.isClosed()) await connection.drain();
    },
    NATS_CLOSE_WAIT_MS,
  );
