/** Starts the Postgres that the tests of one project share, and removes all they have started. */
import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Client } from 'pg';
import type { TestProject } from 'vitest/node';
import { isLeftBehind, lockDataDirectory } from '#embedded/data-directory-lock';
import { stopLeftoverNatsServer } from '#embedded/nats-server';
import { findNatsServer } from '#embedded/nats-server-program';
import { startPostgres, stopLeftoverPostgres } from '#embedded/postgres';
import { migrate } from '#postgres/migrate';
import type { TestRun } from './test-run.ts';

const TEMPLATE_DATABASE = 'flo2_template';
const DIRECTORY_PREFIX = 'flo2-test-';

const show = (line: string): void => console.log(line);

/** A test that failed may not have stopped its servers; a run that was killed has stopped none. */
const stopServersIn = async (directory: string): Promise<void> => {
  for (const name of await readdir(directory).catch(() => [])) {
    await stopLeftoverNatsServer(join(directory, name));
    await stopLeftoverPostgres(join(directory, name));
  }
};

const removeKilledRuns = async (): Promise<void> => {
  for (const name of await readdir(tmpdir())) {
    const directory = join(tmpdir(), name);
    if (!name.startsWith(DIRECTORY_PREFIX)) continue;
    try {
      if (!(await isLeftBehind(directory))) continue;
      await stopServersIn(directory);
      await rm(directory, { recursive: true, force: true });
    } catch {
      // Another user's run, theirs to remove; or one of which it cannot be told whether it lives.
    }
  }
};

const prepareTemplate = async (postgresUrl: string): Promise<void> => {
  const client = new Client({ connectionString: `${postgresUrl}/postgres` });
  await client.connect();
  try {
    await client.query(`create database ${TEMPLATE_DATABASE}`);
  } finally {
    await client.end();
  }
  await migrate(`${postgresUrl}/${TEMPLATE_DATABASE}`);
};

const startEmbedded = async (directory: string): Promise<{ url: string; stop: () => Promise<void> }> => {
  const postgres = await startPostgres({ dataDir: join(directory, 'postgres'), durability: 'test' });
  const url = new URL(postgres.url);
  url.pathname = '';
  return { url: url.href, stop: postgres.stop };
};

/** Starts them, for the tests or for whatever else runs on the same. */
export const startTestServers = async (): Promise<{ run: TestRun; stop: () => Promise<void> }> => {
  // Loaded only when asked for: the engine's client is heavy.
  const containers =
    process.env['FLO2_TEST_SERVICES'] === 'containers' ? await import('./containers.ts') : null;
  await removeKilledRuns();
  const directory = await mkdtemp(join(tmpdir(), DIRECTORY_PREFIX));
  const lock = await lockDataDirectory(directory);
  let stopPostgres = (): Promise<void> => Promise.resolve();
  const stop = async (): Promise<void> => {
    await stopPostgres();
    if (containers !== null) await containers.removeContainers(directory);
    else await stopServersIn(directory);
    await lock.release();
    await rm(directory, { recursive: true, force: true });
  };
  try {
    const postgres =
      (await containers?.startPostgresContainer(directory)) ?? (await startEmbedded(directory));
    stopPostgres = postgres.stop;
    await prepareTemplate(postgres.url);
    // Found once here, so that the tests need not fetch it side by side.
    const explicitPath = process.env['FLO2_NATS_SERVER'];
    const program = containers !== null ? null : await findNatsServer({ explicitPath, onProgress: show });
    return {
      run: {
        kind: containers === null ? 'embedded' : 'containers',
        postgresUrl: postgres.url,
        templateDatabase: TEMPLATE_DATABASE,
        directory,
        natsServerPath: program?.path ?? '',
      },
      stop,
    };
  } catch (error) {
    await stop();
    throw error;
  }
};

export default async ({ provide }: TestProject): Promise<() => Promise<void>> => {
  const { run, stop } = await startTestServers();
  provide('testRun', run);
  return stop;
};
