/** Runs a real Postgres as a child, for machines that have none. */
import { spawn } from 'node:child_process';
import { mkdir, readFile, rename, rm } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { Client } from 'pg';
import { lockDataDirectory } from './data-directory-lock.ts';
import { launchDetachedServer, serverEnvironment } from './detached-server.ts';
import { findFreePort } from './free-port.ts';
import { readCommandLine, stopProcess } from './own-process.ts';
import { chooseRunAs, findPostgresPrograms, type PostgresPrograms, type RunAs } from './postgres-program.ts';
import type { OnProgress } from './progress.ts';
import { createPassword, readPassword } from './server-password.ts';

export type PostgresOptions = {
  /** Created when missing. Holds the cluster, its password (0600), the server's log and a lock. */
  dataDir: string;
  /**
   * `test` gives up every promise about a crash of the machine in exchange for speed.
   * @default 'full'
   */
  durability?: 'full' | 'test';
  /** @default a free one, another at each start */
  port?: number;
  onProgress?: OnProgress;
  /** Told once, with a sentence, when the server ends without `stop` having been called. */
  onUnexpectedExit?: (reason: string) => void;
};

export type RunningPostgres = {
  /** With user and password; names the database `flo2`, which exists. */
  url: string;
  pid: number;
  /** Fast shutdown: open transactions are rolled back, data is flushed. Resolves once it is gone. */
  stop: () => Promise<void>;
};

const USER = 'flo2';
const DATABASE = 'flo2';
/** Postgres' own data directory, within the given one. */
const CLUSTER = 'cluster';
const START_WAIT_MS = 60_000;
const STOP_STEPS = [
  { signal: 'SIGINT', waitMs: 30_000 },
  { signal: 'SIGQUIT', waitMs: 5_000 },
] as const;

const COMMON_SETTINGS = {
  listen_addresses: '127.0.0.1',
  unix_socket_directories: '',
  max_connections: '200',
  timezone: 'UTC',
  log_timezone: 'UTC',
  jit: 'off',
  // Statements and row values are customers' data: neither belongs into a log.
  log_min_error_statement: 'panic',
  log_error_verbosity: 'terse',
};
const SETTINGS = {
  full: {
    ...COMMON_SETTINGS,
    shared_buffers: '256MB',
    // What several recordings write at once stays within; else each of them writes to the disk for itself.
    wal_buffers: '32MB',
    // At twenty thousand events a second a checkpoint every two minutes: with one every half minute each page of an
    // index was logged whole again and again, and the disk was waited for, up to ten seconds at a time.
    max_wal_size: '8GB',
    // Three of them, as there are otherwise, take most of a core while the ledger grows.
    autovacuum_max_workers: '2',
  },
  test: {
    ...COMMON_SETTINGS,
    shared_buffers: '64MB',
    fsync: 'off',
    synchronous_commit: 'off',
    full_page_writes: 'off',
    io_method: 'sync',
  },
};

/** Process id and state of the server in this cluster directory, from the file the server keeps there. */
const readPostmaster = async (cluster: string): Promise<{ pid: number; isReady: boolean } | null> => {
  const lines = (await readFile(join(cluster, 'postmaster.pid'), 'utf8').catch(() => '')).split('\n');
  const pid = Number(lines[0]);
  if (!Number.isSafeInteger(pid) || pid <= 0) return null;
  return { pid, isReady: lines[7]?.trim() === 'ready' };
};

/**
 * Stops the Postgres that goes on after its flo2 was killed; nothing but a postgres of this very directory
 * is touched. Only for who holds the directory's lock.
 */
export const stopLeftoverPostgres = async (
  dataDir: string,
  onProgress: OnProgress = () => {},
): Promise<void> => {
  const cluster = join(resolve(dataDir), CLUSTER);
  const postmaster = await readPostmaster(cluster);
  if (postmaster === null) return;
  const commandLine = await readCommandLine(postmaster.pid);
  if (commandLine === null) return;
  if (!`${commandLine} `.includes(`/postgres -D ${cluster} `)) {
    // Another program of this user has the id now, and Postgres would take it for a server of its own.
    await rm(join(cluster, 'postmaster.pid'), { force: true });
    return;
  }
  onProgress('Stopping the Postgres that an earlier flo2 left behind…');
  await stopProcess(postmaster.pid, 'The Postgres of an earlier flo2', STOP_STEPS);
};

const run = async (prefix: readonly string[], program: string, args: readonly string[]): Promise<void> => {
  const [command, ...leading] = [...prefix, program];
  const child = spawn(command, [...leading, ...args], {
    cwd: '/',
    env: serverEnvironment(),
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  let output = '';
  child.stderr.setEncoding('utf8').on('data', (text: string) => (output = (output + text).slice(-4_000)));
  const code = await new Promise<number | null>((resolveCode, reject) => {
    child.once('error', reject);
    child.once('close', resolveCode);
  });
  if (code !== 0) throw new Error(`initdb failed:\n${output.trim()}`);
};

/**
 * Resolves to the new cluster's password. The cluster is made aside and renamed when it is whole, so that a
 * start that was cut off leaves no half.
 */
const createCluster = async (
  directory: string,
  passwordPath: string,
  programs: PostgresPrograms,
  runAs: RunAs,
  isDurable: boolean,
): Promise<string> => {
  const password = await createPassword(passwordPath);
  const unfinished = `${directory}.new`;
  await rm(unfinished, { recursive: true, force: true });
  await mkdir(unfinished, { mode: 0o700 });
  await runAs.handOver(unfinished);
  await run(runAs.prefix, programs.initdb, [
    `--pgdata=${unfinished}`,
    `--username=${USER}`,
    `--pwfile=${passwordPath}`,
    '--auth=scram-sha-256',
    '--encoding=UTF8',
    '--locale=C',
    '--locale-provider=builtin',
    '--builtin-locale=C.UTF-8',
    ...(isDurable ? [] : ['--no-sync', '--no-data-checksums']),
  ]);
  await rename(unfinished, directory);
  return password;
};

const createDatabaseIfMissing = async (serverUrl: string, name: string): Promise<void> => {
  const client = new Client({
    connectionString: `${serverUrl}/postgres`,
    application_name: 'flo2-start',
    connectionTimeoutMillis: 10_000,
  });
  await client.connect();
  try {
    const found = await client.query('select 1 from pg_database where datname = $1', [name]);
    if (found.rowCount === 0) await client.query(`create database ${name}`);
  } finally {
    await client.end();
  }
};

/**
 * Starts Postgres on 127.0.0.1 in `dataDir` and waits until it answers; data of an earlier start is kept.
 *
 * Rejects when another live flo2 uses the directory, when this machine cannot run the embedded Postgres,
 * and with the end of the server's log when it does not start.
 */
export const startPostgres = async (options: PostgresOptions): Promise<RunningPostgres> => {
  const onProgress = options.onProgress ?? (() => {});
  const durability = options.durability ?? 'full';
  const dataDir = resolve(options.dataDir);
  const directory = join(dataDir, CLUSTER);
  const passwordPath = join(dataDir, 'password');

  const lock = await lockDataDirectory(dataDir);
  try {
    const programs = await findPostgresPrograms();
    const runAs = await chooseRunAs(programs, directory);
    await stopLeftoverPostgres(dataDir, onProgress);
    const isNew = !(await readFile(join(directory, 'PG_VERSION'), 'utf8').catch(() => null));
    if (isNew) onProgress('Preparing a new Postgres database…');
    const password = isNew
      ? await createCluster(directory, passwordPath, programs, runAs, durability === 'full')
      : await readPassword(passwordPath);
    if (password === null) {
      throw new Error(
        `The password file ${passwordPath} is missing or cannot be read, and the database beside it cannot be opened without: restore it, or delete ${dataDir} to start afresh.`,
      );
    }

    onProgress('Starting Postgres…');
    let port = 0;
    const server = await launchDetachedServer(async () => {
      port = options.port ?? (await findFreePort());
      const args = [...runAs.prefix, programs.postgres, '-D', directory, '-p', String(port)];
      for (const [name, value] of Object.entries(SETTINGS[durability])) args.push('-c', `${name}=${value}`);
      const [command = programs.postgres, ...rest] = args;
      return {
        name: 'Postgres',
        command,
        args: rest,
        logPath: join(dataDir, 'postgres.log'),
        isReady: async (pid) => {
          const postmaster = await readPostmaster(directory);
          return postmaster?.pid === pid && postmaster.isReady;
        },
        startWaitMs: START_WAIT_MS,
        stopSteps: STOP_STEPS,
        // The second: backends of a Postgres that was killed are still ending.
        mayRetryAfter: /address already in use|pre-existing shared memory block/i,
        onUnexpectedExit: options.onUnexpectedExit,
      };
    });
    const stop = async (): Promise<void> => {
      await server.stop();
      await lock.release();
    };
    const serverUrl = `postgres://${USER}:${password}@127.0.0.1:${port}`;
    try {
      await createDatabaseIfMissing(serverUrl, DATABASE);
    } catch (error) {
      await server.stop();
      throw error;
    }
    return { url: `${serverUrl}/${DATABASE}`, pid: server.pid, stop };
  } catch (error) {
    await lock.release();
    throw error;
  }
};
