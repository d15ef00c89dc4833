/**
 * The jobs role dies at every named point of a provider batch's life, as by `kill -9`: the batch is made once,
 * each line is charged once and recorded once. No worker runs, so that nothing can go another way.
 */
import { Client } from 'pg';
import { afterAll, beforeAll, expect, it, vi } from 'vitest';
import type { FaultPoint } from '#runtime/fault-point';
import {
  createTenant,
  launchProcess,
  mintSecrets,
  startProcess,
  type StartedProcess,
  type TestTenant,
} from '#test/support/flo2';
import { BatchCaller, statusesOf } from '#test/support/native-batches';
import { createDatabase, startNats, type TestDatabase, type TestNats } from '#test/support/services';
import { startSimulator, type Simulator } from '#test/simulators/simulator';

let database: TestDatabase;
let nats: TestNats;
let simulator: Simulator;
let ledger: Client;
let environment: Record<string, string>;
let roles: StartedProcess[];
let tenant: TestTenant;
let caller: BatchCaller;

beforeAll(async () => {
  [database, nats, simulator] = await Promise.all([createDatabase(), startNats(), startSimulator()]);
  ledger = new Client({ connectionString: database.url });
  await ledger.connect();
  const { adminKey, masterKey } = mintSecrets();
  environment = {
    DATABASE_URL: database.url,
    NATS_URL: nats.url,
    FLO2_ADMIN_KEY: adminKey,
    FLO2_MASTER_KEY: masterKey,
    FLO2_ALLOW_PRIVATE_UPSTREAMS: 'true',
    FLO2_NATIVE_BATCH_POLL_MS: '100',
    LOG_LEVEL: 'info',
  };
  const migration = launchProcess('migrate', environment);
  expect((await migration.exited).code, migration.output()).toBe(0);
  const [control, ingress, metering] = await Promise.all([
    startProcess('control', environment),
    startProcess('ingress', environment),
    startProcess('metering', environment),
  ]);
  roles = [control, ingress, metering];
  const providerKeys = [{ provider: 'openai' as const }];
  tenant = await createTenant(
    { url: control.url ?? '', adminKey },
    { simulatorUrl: simulator.url, providerKeys },
  );
  caller = new BatchCaller(ingress.url ?? '', tenant.apiKey);
}, 120_000);

afterAll(async () => {
  for (const running of roles) {
    running.kill('SIGKILL');
    await running.exited;
  }
  await ledger.end();
  await simulator.close();
  await nats.stop();
  await database.drop();
});

const LINES = 5;

it.each<FaultPoint>([
  'jobs.native_claimed',
  'jobs.native_creating',
  'jobs.native_created',
  'jobs.native_told',
  'jobs.native_recorded',
])('makes one batch and records each line once when jobs dies at %s', async (point) => {
  simulator.log.clear();
  const before = simulator.batches.all().length;
  const doomed = launchProcess('jobs', {
    ...environment,
    FLO2_FAULT_TESTS: 'true',
    FLO2_FAULT_POINT: point,
  });
  const texts = Array.from({ length: LINES }, (_, index) => `${point} ${index}`);
  const { id } = await caller.submit({ model: 'openai/gpt-4o-mini', texts, mode: 'native' });
  expect((await doomed.exited).signal, doomed.output()).toBe('SIGKILL');
  // As if the dead process's lease had run out.
  await ledger.query('delete from lease');
  const jobs = await startProcess('jobs', environment);
  try {
    const batch = await caller.awaitStatus(id, 'completed');
    expect(batch.request_counts).toEqual({ total: LINES, completed: LINES, failed: 0 });
    const statuses = statusesOf(await caller.results(batch));
    expect(Object.values(statuses)).toEqual(Array.from({ length: LINES }, () => 200));
    await vi.waitFor(
      async () => {
        const { rows } = await ledger.query<{ attempts: string; events: string; succeeded: string }>(
          `select count(distinct attempt_id) as attempts, count(*) as events,
             count(*) filter (where outcome = 'succeeded' and price_tier = 'batch') as succeeded
           from usage_event where request_id in
             (select replace(id, 'job_', 'req_') from work_item where batch_id = $1)`,
          [id],
        );
        const all = String(LINES);
        expect(rows).toEqual([{ attempts: all, events: all, succeeded: all }]);
      },
      { timeout: 20_000, interval: 50 },
    );
    expect(simulator.batches.all().length - before).toBe(1);
    expect(simulator.log.batchLines).toHaveLength(LINES);
    const { rows: flagged } = await ledger.query(
      'select 1 from work_item where batch_id = $1 and possible_duplicate_charge',
      [id],
    );
    expect(flagged).toHaveLength(0);
    const { rows: quarantined } = await ledger.query('select reason from event_quarantine');
    expect(quarantined).toEqual([]);
  } finally {
    jobs.kill('SIGKILL');
    await jobs.exited;
    await ledger.query('delete from lease');
  }
});
