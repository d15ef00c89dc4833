/** The programs that are measured, each in processes of its own. */
import { spawn } from 'node:child_process';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { setTimeout as sleep } from 'node:timers/promises';
import { findFreePort } from '#embedded/free-port';
import { startNatsServer } from '#embedded/nats-server';
import { startPostgres } from '#embedded/postgres';
import { connectNats } from '#nats/connection';
import { openDatabase } from '#postgres/database';
import { createLogger } from '#runtime/logger';
import { launchProcess, startProcess } from '#test/support/flo2-process';
import { callControl, createTenant } from '#test/support/tenant';
import { stopOnSignal } from '#test/support/stop-on-signal';
import type { StreamServer } from './decoding.ts';
import type { Target } from './load.ts';

export type Running = {
  target: Target;
  versions: string[];
  /** The processes it consists of, by what they do. */
  pids: Readonly<Record<string, number>>;
  stop: () => Promise<void>;
};

const directory = fileURLToPath(new URL('.', import.meta.url));
const rivalDirectory = join(directory, 'rival');
const JSON_HEADERS = { 'content-type': 'application/json' };

const runProgram = (program: string, args: string[], cwd: string) => {
  const child = spawn(program, args, { cwd, stdio: ['ignore', 'pipe', 'inherit'] });
  const exited = new Promise<number | null>((resolve, reject) => {
    child.once('error', reject);
    child.once('close', (code) => resolve(code));
  });
  const stop = async (): Promise<void> => {
    child.kill('SIGKILL');
    await exited;
  };
  return { child, pid: child.pid ?? 0, exited, stop };
};

export const startMockProvider = async (): Promise<Running> => {
  const { child, pid, stop } = runProgram(process.execPath, ['mock-provider.ts'], directory);
  const line = await new Promise<string>((resolve) => {
    child.stdout.setEncoding('utf8').once('data', (text: string) => resolve(text));
  });
  const { url } = JSON.parse(line) as { url: string };
  const target = {
    name: 'mock provider',
    origin: url,
    path: '/v1/chat/completions',
    headers: { ...JSON_HEADERS, authorization: 'Bearer sk-bench' },
  };
  return { target, versions: [`node ${process.version}`], pids: { mock: pid }, stop };
};

/** Streams answers for what decoding them costs. */
export const startStreamServer = async (): Promise<StreamServer & { stop: () => Promise<void> }> => {
  const { child, stop } = runProgram(process.execPath, ['stream-server.ts'], directory);
  const line = await new Promise<string>((resolve) => {
    child.stdout.setEncoding('utf8').once('data', (text: string) => resolve(text));
  });
  return { ...(JSON.parse(line) as StreamServer), stop };
};

const serverVersions = async (postgresUrl: string, natsUrl: string): Promise<string[]> => {
  const database = openDatabase({
    url: postgresUrl,
    poolMax: 1,
    applicationName: 'bench',
    onIdleError: () => undefined,
  });
  const { rows } = await database.pool.query<{ server_version: string }>('show server_version');
  await database.close();
  const logger = createLogger({ name: 'bench', level: 'silent', format: 'json' });
  const connection = await connectNats({ url: natsUrl, name: 'bench', logger });
  const natsVersion = connection.info?.version;
  await connection.close();
  return [`PostgreSQL ${rows[0]?.server_version}`, `nats-server ${natsVersion}`];
};

export type Servers = {
  environment: Record<string, string>;
  adminKey: string;
  postgresUrl: string;
  natsUrl: string;
  pids: Readonly<Record<'postgres' | 'nats', number>>;
  stop: () => Promise<void>;
};

/** A Postgres with the schema and a nats-server, and what roles need to use them. */
export const startServers = async (): Promise<Servers> => {
  const dataDir = await mkdtemp(join(tmpdir(), 'flo2-bench-'));
  const postgres = await startPostgres({ dataDir: join(dataDir, 'postgres') });
  const nats = await startNatsServer({ dataDir: join(dataDir, 'nats') });
  const stop = async (): Promise<void> => {
    await nats.stop();
    await postgres.stop();
    await rm(dataDir, { recursive: true, force: true });
  };
  stopOnSignal(stop);
  const adminKey = 'bench-admin-key';
  const environment = {
    DATABASE_URL: postgres.url,
    NATS_URL: nats.url,
    FLO2_ADMIN_KEY: adminKey,
    FLO2_MASTER_KEY: Buffer.alloc(32, 1).toString('base64'),
    FLO2_ALLOW_PRIVATE_UPSTREAMS: 'true',
  };
  const migration = launchProcess('migrate', environment);
  const { code } = await migration.exited;
  if (code !== 0) throw new Error(`the migration failed:\n${migration.output()}`);
  return {
    environment,
    adminKey,
    postgresUrl: postgres.url,
    natsUrl: nats.url,
    pids: { postgres: postgres.pid, nats: nats.pid },
    stop,
  };
};

export type Flo2 = Running & {
  /** Another tenant's way to it, with a key of its own at the provider. */
  newTenant: (weight: number) => Promise<Target>;
};

/** Ingress, worker, jobs, metering and control as in production, with a Postgres and a nats-server of their own. */
export const startFlo2 = async (providerUrl: string): Promise<Flo2> => {
  const servers = await startServers();
  const { environment, adminKey } = servers;
  const roles = ['control', 'metering', 'worker', 'jobs', 'ingress'] as const;
  const processes = await Promise.all(roles.map((role) => startProcess(role, environment)));
  const [control, , , , ingress] = processes;
  const flo2 = { url: control?.url ?? '', adminKey };
  const newTenant = async (weight: number): Promise<Target> => {
    const { tenantId, apiKey } = await createTenant(flo2, {
      simulatorUrl: providerUrl,
      providerKeys: [{ provider: 'openai' }],
    });
    await callControl(flo2, 'PATCH', `/tenants/${tenantId}`, { weight });
    return {
      name: 'flo2',
      origin: ingress?.url ?? '',
      path: '/v1/chat/completions',
      headers: { ...JSON_HEADERS, authorization: `Bearer ${apiKey}` },
    };
  };
  return {
    target: await newTenant(1),
    newTenant,
    versions: await serverVersions(servers.postgresUrl, servers.natsUrl),
    pids: {
      ...Object.fromEntries(roles.map((role, index) => [role, processes[index]?.pid ?? 0])),
      ...servers.pids,
    },
    stop: async () => {
      for (const launched of processes.toReversed()) {
        launched.kill('SIGTERM');
        await launched.exited;
      }
      await servers.stop();
    },
  };
};

const RIVAL = '@portkey-ai/gateway';
const RIVAL_START_TRIES = 100;

/** Installed into its own folder when it is first measured. */
export const startRival = async (providerUrl: string): Promise<Running> => {
  const manifest = join(rivalDirectory, 'node_modules', RIVAL, 'package.json');
  const isInstalled = await readFile(manifest, 'utf8').then(
    () => true,
    () => false,
  );
  if (!isInstalled) {
    console.log(`Installing ${RIVAL}, for comparison…`);
    const { exited } = runProgram(
      'npm',
      ['ci', '--ignore-scripts', '--no-audit', '--no-fund'],
      rivalDirectory,
    );
    if ((await exited) !== 0) throw new Error(`${RIVAL} could not be installed: see above.`);
  }
  const { version } = JSON.parse(await readFile(manifest, 'utf8')) as { version: string };
  const port = await findFreePort();
  const program = join(rivalDirectory, 'node_modules', RIVAL, 'build', 'start-server.js');
  const { child, pid, stop } = runProgram(
    process.execPath,
    [program, `--port=${port}`, '--headless'],
    rivalDirectory,
  );
  child.stdout.resume();
  const origin = `http://127.0.0.1:${port}`;
  for (let tries = 0; ; tries += 1) {
    const answered = await fetch(origin).then(
      () => true,
      () => false,
    );
    if (answered) break;
    if (tries === RIVAL_START_TRIES) throw new Error(`${RIVAL} did not start`);
    await sleep(100);
  }
  return {
    target: {
      name: 'Portkey',
      origin,
      path: '/v1/chat/completions',
      headers: {
        ...JSON_HEADERS,
        authorization: 'Bearer sk-bench',
        'x-portkey-provider': 'openai',
        'x-portkey-custom-host': `${providerUrl}/v1`,
      },
    },
    versions: [`${RIVAL} ${version}`],
    pids: { rival: pid },
    stop,
  };
};
