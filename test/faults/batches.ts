/**
 * `npm run test:faults:batches -- [--lines 50000] [--rounds 20]`: one batch, while every role, Postgres and the
 * nats-server are killed in turn, so many rounds over, spread over the lines. Passes when each custom_id has
 * exactly one result and the ledger has every call that the simulated provider has seen, as it has seen it.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { findFreePort } from '#embedded/free-port';
import { startNatsServer, type RunningNatsServer } from '#embedded/nats-server';
import { startPostgres, type RunningPostgres } from '#embedded/postgres';
import { startSimulator } from '#test/simulators/simulator';
import { mintSecrets } from '#test/support/flo2';
import { launchProcess, startProcess, type StartedProcess } from '#test/support/flo2-process';
import { stopOnSignal } from '#test/support/stop-on-signal';
import { createTenant } from '#test/support/tenant';
import { BatchClient, disagreements } from './batch-agreement.ts';
import { PeakMemory } from './peak-memory.ts';

const { values } = parseArgs({
  options: { lines: { type: 'string', default: '50000' }, rounds: { type: 'string', default: '20' } },
});
const lines = Number(values.lines);
const rounds = Number(values.rounds);
if (!Number.isSafeInteger(lines) || !Number.isSafeInteger(rounds) || lines < 1 || rounds < 1) {
  throw new Error('--lines and --rounds must be whole numbers above 0');
}

const say = (line: string): void => console.log(line);
const MODEL = 'openai/gpt-4o-mini-sim-latency-20-tokens-4';
/** So many of a role that something of it is left while another one is killed; one where nothing waits for it. */
const REPLICAS = { worker: 2, jobs: 2, metering: 2, ingress: 1, control: 1 } as const;
type Role = keyof typeof REPLICAS;
const VICTIMS = ['worker', 'jobs', 'ingress', 'metering', 'control', 'nats', 'postgres'] as const;
const POLL_MS = 50;
/** Without a call for so long before the end, something is stuck. */
const PATIENCE_MS = 120_000;

const directory = await mkdtemp(join(tmpdir(), 'flo2-batches-'));
const ports = {
  postgres: await findFreePort(),
  nats: await findFreePort(),
  ingress: await findFreePort(),
  control: await findFreePort(),
};
const openPostgres = () => startPostgres({ dataDir: join(directory, 'postgres'), port: ports.postgres });
const openNats = () => startNatsServer({ dataDir: join(directory, 'nats'), port: ports.nats });
let postgres: RunningPostgres = await openPostgres();
let nats: RunningNatsServer = await openNats();
const simulator = await startSimulator({ logLimit: lines * 2 + 1_000 });
const { adminKey, masterKey } = mintSecrets();
const environment = {
  DATABASE_URL: postgres.url,
  NATS_URL: nats.url,
  FLO2_ADMIN_KEY: adminKey,
  FLO2_MASTER_KEY: masterKey,
  FLO2_ALLOW_PRIVATE_UPSTREAMS: 'true',
  LOG_LEVEL: 'info',
};
const memory = new PeakMemory();
const running = new Map<Role, StartedProcess[]>();
const start = async (role: Role): Promise<StartedProcess> => {
  const port = role === 'ingress' || role === 'control' ? { FLO2_PORT: String(ports[role]) } : {};
  const started = await startProcess(role, { ...environment, ...port });
  memory.watch(role, started.pid);
  return started;
};

const killed = { worker: 0, jobs: 0, ingress: 0, metering: 0, control: 0, nats: 0, postgres: 0 };
const kill = async (victim: (typeof VICTIMS)[number], round: number): Promise<void> => {
  killed[victim] += 1;
  await memory.look();
  if (victim === 'nats') {
    process.kill(nats.pid, 'SIGKILL');
    await nats.stop();
    nats = await openNats();
    memory.watch('nats', nats.pid);
    return;
  }
  if (victim === 'postgres') {
    process.kill(postgres.pid, 'SIGKILL');
    await postgres.stop();
    postgres = await openPostgres();
    memory.watch('postgres', postgres.pid);
    return;
  }
  const processes = running.get(victim) ?? [];
  const which = round % processes.length;
  processes[which]?.kill('SIGKILL');
  await processes[which]?.exited;
  processes[which] = await start(victim);
};

// The roles go with this process.
stopOnSignal(async () => {
  await Promise.all([nats.stop(), postgres.stop()]);
  await rm(directory, { recursive: true, force: true });
});

try {
  const migration = launchProcess('migrate', environment);
  if ((await migration.exited).code !== 0) throw new Error(`the migration failed:\n${migration.output()}`);
  memory.watch('nats', nats.pid);
  memory.watch('postgres', postgres.pid);
  for (const [role, count] of Object.entries(REPLICAS) as [Role, number][]) {
    running.set(role, await Promise.all(Array.from({ length: count }, () => start(role))));
  }
  const tenant = await createTenant(
    { url: running.get('control')?.[0]?.url ?? '', adminKey },
    { simulatorUrl: simulator.url, providerKeys: [{ provider: 'openai' }] },
  );
  const client = new BatchClient(`http://127.0.0.1:${ports.ingress}`, tenant.apiKey);
  const startedMs = performance.now();
  const batchId = await client.submit(lines, MODEL);
  say(`${lines.toLocaleString('en')} lines; ${rounds} rounds through ${VICTIMS.join(', ')}`);

  const made = (): number => simulator.log.calls.length;
  const reached = async (count: number): Promise<void> => {
    let last = { calls: -1, atMs: performance.now() };
    while (made() < count) {
      if (made() !== last.calls) last = { calls: made(), atMs: performance.now() };
      // The rest of the lines may be done, or waiting for a worker to be missed.
      if (performance.now() - last.atMs > PATIENCE_MS) throw new Error(`stuck after ${last.calls} calls`);
      if ((await client.ended(batchId)) === lines) return;
      await sleep(POLL_MS);
    }
  };
  const step = Math.max(1, Math.floor(lines / (rounds * VICTIMS.length + 1)));
  let kills = 0;
  for (let round = 0; round < rounds; round += 1) {
    for (const victim of VICTIMS) {
      kills += 1;
      await reached(step * kills);
      await kill(victim, round);
    }
    say(`round ${round + 1}: ${made()} calls, ${Math.round((performance.now() - startedMs) / 1_000)} s`);
  }
  const counts = await client.finished(batchId);
  const seconds = Math.round((performance.now() - startedMs) / 1_000);
  say(`ended after ${seconds} s: ${JSON.stringify(counts)}; killed ${JSON.stringify(killed)}`);
  await memory.look();

  const faults = await disagreements({ client, batchId, lines, simulator, databaseUrl: postgres.url, say });
  say(`peak memory, MiB: ${JSON.stringify(memory.peaks())}`);
  for (const fault of faults) say(`WRONG: ${fault}`);
  say(faults.length === 0 ? 'agreed' : 'did not agree');
  if (faults.length > 0) process.exitCode = 1;
} finally {
  for (const started of [...running.values()].flat()) {
    started.kill('SIGKILL');
    await started.exited;
  }
  await simulator.close();
  await nats.stop();
  await postgres.stop();
  await rm(directory, { recursive: true, force: true });
}
