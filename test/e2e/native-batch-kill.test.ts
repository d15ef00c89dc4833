/**
 * The jobs role dies at every named point of a provider batch's life, as by `kill -9`: the batch is made once,
 * each line is charged once and recorded once. No worker runs, so that nothing can go another way.
 */
import { afterAll, beforeAll, expect, it, vi } from 'vitest';
import type { FaultPoint } from '#runtime/fault-point';
import { launchProcess } from '#test/support/flo2-process';
import { BatchCaller, statusesOf } from '#test/support/native-batches';
import { openRoleEnvironment, type RoleEnvironment } from '#test/support/role-environment';
import { createTenant } from '#test/support/tenant';

let surroundings: RoleEnvironment;
let caller: BatchCaller;

beforeAll(async () => {
  surroundings = await openRoleEnvironment({ FLO2_NATIVE_BATCH_POLL_MS: '100' });
  const { start, simulator, adminKey } = surroundings;
  const [control, ingress] = await Promise.all([start('control'), start('ingress'), start('metering')]);
  const tenant = await createTenant(
    { url: control.url ?? '', adminKey },
    { simulatorUrl: simulator.url, providerKeys: [{ provider: 'openai' }] },
  );
  caller = new BatchCaller(ingress.url ?? '', tenant.apiKey);
}, 120_000);

afterAll(() => surroundings.close());

const LINES = 5;

it.each<FaultPoint>([
  'jobs.native_claimed',
  'jobs.native_creating',
  'jobs.native_created',
  'jobs.native_told',
  'jobs.native_recorded',
])('makes one batch and records each line once when jobs dies at %s', async (point) => {
  const { simulator, ledger } = surroundings;
  simulator.log.clear();
  const before = simulator.batches.all().length;
  const doomed = launchProcess('jobs', {
    ...surroundings.variables,
    FLO2_FAULT_TESTS: 'true',
    FLO2_FAULT_POINT: point,
  });
  const texts = Array.from({ length: LINES }, (_, index) => `${point} ${index}`);
  const { id } = await caller.submit({ model: 'openai/gpt-4o-mini', texts, mode: 'native' });
  expect((await doomed.exited).signal, doomed.output()).toBe('SIGKILL');
  // As if the dead process's lease had run out.
  await ledger.query('delete from lease');
  const jobs = await surroundings.start('jobs');
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
