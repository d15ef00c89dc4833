/**
 * flo2 as in production, every role a process of its own and several of most, with its servers and the
 * simulated providers: what a scenario breaks.
 */
import { randomBytes } from 'node:crypto';
import { readdir, readFile, readlink } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { jetstreamManager } from '@nats-io/jetstream';
import { Client, Pool } from 'pg';
import { findFreePort } from '#embedded/free-port';
import { startNatsServer, type RunningNatsServer } from '#embedded/nats-server';
import { connectNats } from '#nats/connection';
import { FAULT_POINT_VARIABLE } from '#runtime/fault-point';
import { createLogger } from '#runtime/logger';
import type { CallRecord } from '#test/simulators/call-log';
import { startSimulator, type Simulator } from '#test/simulators/simulator';
import { mintSecrets } from '#test/support/flo2';
import { launchProcess, startProcess, type RoleName, type StartedProcess } from '#test/support/flo2-process';
import { callControl, createTenant, type TenantOptions } from '#test/support/tenant';
import type { TestRun } from '#test/support/test-run';
import type { TaggedTenant } from './history.ts';

export type Role = Exclude<RoleName, 'all' | 'migrate'>;

export type Rig = {
  simulator: Simulator;
  ledger: Pool;
  databaseUrl: string;
  natsUrl: string;
  environment: Readonly<Record<string, string>>;
  /** The processes that run all the time, by role. */
  roles: Record<Role, StartedProcess[]>;
  /** Roles of which a process that runs all the time has ended by itself. */
  ended: () => Role[];
  /** One more process of a role, which is the caller's to end. */
  spawn: (role: Role, environment?: Readonly<Record<string, string>>) => Promise<StartedProcess>;
  /** Calls the control plane as root; rejects with its answer where that is no success. */
  control: (method: string, path: string) => Promise<unknown>;
  createTenant: (tag: string, options?: Omit<TenantOptions, 'simulatorUrl'>) => Promise<TaggedTenant>;
  /** The calls that were made with the tenants' keys. */
  callsOf: (tenants: readonly TaggedTenant[]) => CallRecord[];
  stopNats: () => Promise<void>;
  startNats: () => Promise<void>;
  /** To flo2 the database is down: connections are broken off and refused. */
  stopPostgres: () => Promise<void>;
  startPostgres: () => Promise<void>;
  /**
   * Messages that somebody was given and has not acknowledged, and those that nobody was given, over all
   * consumers, in words, once there are none or the longest acknowledgement's wait has passed.
   */
  settledMessages: () => Promise<string[]>;
  /** The highest resident memory of a process so far, MiB; null where the system does not tell. */
  peakMiB: (running: StartedProcess) => Promise<number | null>;
  /** Sockets a process holds open; null where the system does not tell. */
  openSockets: (running: StartedProcess) => Promise<number | null>;
  /** Ends everything in good order; resolves to what did not: processes that had something left in hand. */
  close: () => Promise<string[]>;
};

const REPLICAS: Record<Role, number> = { control: 1, ingress: 2, worker: 2, jobs: 2, metering: 2 };
const DRAIN_TIMEOUT_MS = 8_000;
/** A role that has nothing in hand stops well within it: two seconds are a pull that brings nothing. */
const STOP_MS = 6_000;
const SETTLE_MS = 20_000;

const execute = async (postgresUrl: string, statements: readonly string[]): Promise<void> => {
  const client = new Client({ connectionString: `${postgresUrl}/postgres` });
  await client.connect();
  try {
    for (const statement of statements) await client.query(statement);
  } finally {
    await client.end();
  }
};

const listPending = async (natsUrl: string): Promise<string[]> => {
  const logger = createLogger({ name: 'faults', level: 'silent', format: 'json' });
  const connection = await connectNats({ url: natsUrl, name: 'faults', logger });
  try {
    const manager = await jetstreamManager(connection);
    const pending: string[] = [];
    for await (const stream of manager.streams.list()) {
      for await (const consumer of manager.consumers.list(stream.config.name)) {
        // One without a name is somebody's watch, and goes with it.
        if (consumer.config.durable_name === undefined) continue;
        const count = consumer.num_ack_pending + consumer.num_pending;
        if (count > 0) pending.push(`${count} of ${consumer.name} in ${stream.config.name}`);
      }
    }
    return pending;
  } finally {
    await connection.close();
  }
};

/** A process that dies at its fault point before it is ready has done what it was started for. */
const startOrDie = async (
  role: Role,
  environment: Readonly<Record<string, string>>,
): Promise<StartedProcess> => {
  if (environment[FAULT_POINT_VARIABLE] === undefined) return startProcess(role, environment);
  const launched = launchProcess(role, { FLO2_PORT: '0', ...environment });
  const ready = launched.waitFor(/"msg":"ready"/);
  const died = launched.exited.then(({ signal }) => signal === 'SIGKILL');
  const isDead = await Promise.race([ready.then(() => false), died]).catch(() => died);
  if (isDead) await ready.catch(() => undefined);
  else await ready;
  return { ...launched, url: /"url":"(http[^"]+)"/.exec(launched.output())?.[1] ?? null };
};

export const startRig = async (
  run: TestRun,
  changes: Readonly<Record<string, string>> = {},
): Promise<Rig> => {
  const name = `faults_${randomBytes(8).toString('hex')}`;
  await execute(run.postgresUrl, [`create database ${name} template ${run.templateDatabase}`]);
  const databaseUrl = `${run.postgresUrl}/${name}`;
  const dataDir = join(run.directory, `nats-${randomBytes(8).toString('hex')}`);
  const port = await findFreePort();
  let nats: RunningNatsServer | null = await startNatsServer({
    dataDir,
    port,
    explicitPath: run.natsServerPath,
  });
  const natsUrl = nats.url;
  const simulator = await startSimulator({ keepBodies: true });
  const { adminKey, masterKey } = mintSecrets();
  const environment: Record<string, string> = {
    DATABASE_URL: databaseUrl,
    NATS_URL: natsUrl,
    FLO2_ADMIN_KEY: adminKey,
    FLO2_MASTER_KEY: masterKey,
    FLO2_ALLOW_PRIVATE_UPSTREAMS: 'true',
    FLO2_DRAIN_TIMEOUT_MS: String(DRAIN_TIMEOUT_MS),
    FLO2_REQUEST_TIMEOUT_MS: '30000',
    FLO2_DRAIN_NOTICE_MS: '500',
    // Silence in an answer is tested with it; no simulator is asked to pause for so long otherwise.
    FLO2_IDLE_TIMEOUT_MS: '2000',
    FLO2_HEALTH_PORT: '0',
    LOG_LEVEL: 'info',
    ...changes,
  };
  const migration = launchProcess('migrate', environment);
  if ((await migration.exited).code !== 0) throw new Error(`the migration failed:\n${migration.output()}`);
  const spawned = new Set<StartedProcess>();
  const spawn: Rig['spawn'] = async (role, changed = {}) => {
    const started = await startOrDie(role, { ...environment, ...changed });
    spawned.add(started);
    void started.exited.then(() => spawned.delete(started));
    return started;
  };
  const startRole = (role: Role): Promise<StartedProcess[]> =>
    Promise.all(Array.from({ length: REPLICAS[role] }, () => spawn(role)));
  const control = await startRole('control');
  const [ingress, worker, jobs, metering] = await Promise.all([
    startRole('ingress'),
    startRole('worker'),
    startRole('jobs'),
    startRole('metering'),
  ]);
  const roles = { control, ingress, worker, jobs, metering };
  const ledger = new Pool({ connectionString: `${run.postgresUrl}/${name}`, max: 4 });
  // Where its server is stopped before it, whoever asks next is told.
  ledger.on('error', () => undefined);

  return {
    simulator,
    ledger,
    databaseUrl,
    natsUrl,
    environment,
    roles,
    ended: () =>
      Object.entries(roles).flatMap(([role, processes]) =>
        processes.flatMap((running) => (spawned.has(running) ? [] : [role as Role])),
      ),
    spawn,
    control: (method, path) => callControl({ url: roles.control[0]?.url ?? '', adminKey }, method, path),
    createTenant: async (tag, options = {}) => ({
      ...(await createTenant(
        { url: roles.control[0]?.url ?? '', adminKey },
        { simulatorUrl: simulator.url, ...options },
      )),
      tag,
    }),
    callsOf: (tenants) => {
      const secrets = new Set(tenants.flatMap(({ providerSecrets }) => providerSecrets));
      // A listing of models is no attempt.
      return simulator.log.calls.filter(
        ({ credential, method }) => method === 'POST' && credential !== null && secrets.has(credential),
      );
    },
    stopNats: async () => {
      await nats?.stop();
      nats = null;
    },
    startNats: async () => {
      nats ??= await startNatsServer({ dataDir, port, explicitPath: run.natsServerPath });
    },
    stopPostgres: () =>
      execute(run.postgresUrl, [
        `alter database ${name} allow_connections false`,
        `select pg_terminate_backend(pid) from pg_stat_activity
         where datname = '${name}' and application_name like 'flo2-%'`,
      ]),
    startPostgres: () => execute(run.postgresUrl, [`alter database ${name} allow_connections true`]),
    settledMessages: async () => {
      const giveUpAtMs = Date.now() + SETTLE_MS;
      let pending = await listPending(natsUrl);
      while (pending.length > 0 && Date.now() < giveUpAtMs) {
        await sleep(500);
        pending = await listPending(natsUrl);
      }
      return pending;
    },
    peakMiB: async ({ pid }) => {
      const status = await readFile(`/proc/${pid}/status`, 'utf8').catch(() => '');
      const match = /VmHWM:\s+(\d+) kB/.exec(status);
      return match === null ? null : Math.round(Number(match[1]) / 1_024);
    },
    openSockets: async ({ pid }) => {
      const directory = `/proc/${pid}/fd`;
      const names = await readdir(directory).catch(() => null);
      if (names === null) return null;
      const targets = await Promise.all(names.map((fd) => readlink(join(directory, fd)).catch(() => '')));
      return targets.filter((target) => target.startsWith('socket:')).length;
    },
    close: async () => {
      const leaks: string[] = [];
      for (const running of spawned) running.kill('SIGTERM');
      await Promise.all(
        [...spawned].map(async (running) => {
          const timer = new AbortController();
          const late = sleep(STOP_MS, 'late' as const, { signal: timer.signal }).catch(() => 'late' as const);
          const ended = await Promise.race([running.exited, late]);
          timer.abort();
          if (ended === 'late') {
            leaks.push(`a process had something in hand ${STOP_MS} ms after it was told to stop`);
            running.kill('SIGKILL');
            await running.exited;
          } else if (ended.code !== 0) leaks.push(`a process ended with ${JSON.stringify(ended)}`);
        }),
      );
      await ledger.end();
      await simulator.close();
      await nats?.stop();
      await execute(run.postgresUrl, [`drop database if exists ${name} with (force)`]);
      return leaks;
    },
  };
};
