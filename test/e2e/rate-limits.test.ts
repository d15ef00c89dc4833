/** A provider's limits, shared by the workers of several processes. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startSimulator, type Simulator } from '#test/simulators/simulator';
import { mintSecrets, startProcess, type StartedProcess } from '#test/support/flo2';
import { launchProcess } from '#test/support/flo2-process';
import { offerOverLimit } from '#test/support/rate-limit-load';
import { createDatabase, startNats, type TestDatabase, type TestNats } from '#test/support/services';
import { createTenant } from '#test/support/tenant';

const LIMITS = { requestsPerMinute: 600, tokensPerMinute: 100_000 };

let database: TestDatabase;
let nats: TestNats;
let simulator: Simulator;
let processes: StartedProcess[];
let control: { url: string; adminKey: string };
let ingressUrl: string;

beforeAll(async () => {
  database = await createDatabase();
  nats = await startNats();
  simulator = await startSimulator();
  const { adminKey, masterKey } = mintSecrets();
  const environment = {
    DATABASE_URL: database.url,
    NATS_URL: nats.url,
    FLO2_ADMIN_KEY: adminKey,
    FLO2_MASTER_KEY: masterKey,
    FLO2_ALLOW_PRIVATE_UPSTREAMS: 'true',
  };
  const migration = launchProcess('migrate', environment);
  expect((await migration.exited).code, migration.output()).toBe(0);
  processes = await Promise.all([
    startProcess('control', environment),
    startProcess('ingress', environment),
    startProcess('worker', environment),
    startProcess('worker', environment),
  ]);
  control = { url: processes[0]?.url ?? '', adminKey };
  ingressUrl = processes[1]?.url ?? '';
}, 120_000);

afterAll(async () => {
  for (const running of processes) running.kill('SIGTERM');
  await Promise.all(processes.map(({ exited }) => exited));
  await simulator.close();
  await nats.stop();
  await database.drop();
});

describe('a key that is offered three times its limit by two workers', () => {
  it('is used to the limit, while its provider refuses nothing', { timeout: 60_000 }, async () => {
    const { apiKey, providerSecrets } = await createTenant(control, {
      simulatorUrl: simulator.url,
      providerKeys: [{ provider: 'openai' }],
    });
    // A small burst, so that the limit is met within the test and not only after a minute.
    simulator.setLimits({ match: { key: providerSecrets[0] ?? '' }, limits: { ...LIMITS, burstSeconds: 6 } });
    const figures = await offerOverLimit({
      url: ingressUrl,
      apiKey,
      model: 'openai/gpt-4o-mini',
      simulator,
      limits: LIMITS,
      times: 3,
      durationMs: 12_000,
      warmUpMs: 2_000,
      timeoutMs: 5_000,
    });
    expect(figures.limited).toBe(0);
    expect(figures.usedShare).toBeGreaterThan(0.9);
    // What goes out just before its deadline may miss it.
    expect(figures.otherwise).toBeLessThan(figures.offered * 0.02);
    expect(figures.answered + figures.refused + figures.otherwise).toBe(figures.offered);
  });
});
