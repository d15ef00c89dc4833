/** Every role as a process of its own, configured by environment alone, as in production. */
import { afterAll, beforeAll, expect, it, vi } from 'vitest';
import { z } from 'zod';
import {
  createTenant,
  launchProcess,
  mintSecrets,
  startProcess,
  type StartedProcess,
} from '#test/support/flo2';
import { createDatabase, startNats, type TestDatabase, type TestNats } from '#test/support/services';
import { startSimulator, type Simulator } from '#test/simulators/simulator';
import { startWebhookReceiver, type WebhookReceiver } from '#test/support/webhook-receiver';

// Whole programs start here, several in a row.
vi.setConfig({ testTimeout: 120_000 });

let database: TestDatabase;
let nats: TestNats;
let simulator: Simulator;
let receiver: WebhookReceiver;
const running: StartedProcess[] = [];

beforeAll(async () => {
  [database, nats, simulator] = await Promise.all([createDatabase(), startNats(), startSimulator()]);
  receiver = await startWebhookReceiver();
});

afterAll(async () => {
  for (const role of running) {
    role.kill('SIGKILL');
    await role.exited;
  }
  receiver.close();
  await simulator.close();
  await nats.stop();
  await database.drop();
});

const ready = async (url: string | null): Promise<number> => (await fetch(`${url}/readyz`)).status;

it('serves, meters and tells of a request across processes, and each ends in good order', async () => {
  const { adminKey, masterKey } = mintSecrets();
  const shared = { DATABASE_URL: database.url, NATS_URL: nats.url };
  const migrate = launchProcess('migrate', { DATABASE_URL: database.url });
  expect((await migrate.exited).code, migrate.output()).toBe(0);

  const metering = await startProcess('metering', { ...shared, FLO2_HEALTH_PORT: '0' });
  const worker = await startProcess('worker', {
    ...shared,
    FLO2_MASTER_KEY: masterKey,
    FLO2_ALLOW_PRIVATE_UPSTREAMS: 'true',
    FLO2_HEALTH_PORT: '0',
  });
  const control = await startProcess('control', {
    ...shared,
    FLO2_ADMIN_KEY: adminKey,
    FLO2_MASTER_KEY: masterKey,
    FLO2_ALLOW_PRIVATE_UPSTREAMS: 'true',
  });
  const jobs = await startProcess('jobs', {
    ...shared,
    FLO2_MASTER_KEY: masterKey,
    FLO2_ALLOW_PRIVATE_UPSTREAMS: 'true',
    FLO2_HEALTH_PORT: '0',
  });
  const ingress = await startProcess('ingress', shared);
  running.push(metering, worker, jobs, control, ingress);
  for (const role of running) await vi.waitFor(async () => expect(await ready(role.url)).toBe(200), 10_000);

  const tenant = await createTenant({ url: control.url ?? '', adminKey }, { simulatorUrl: simulator.url });
  const headers = { authorization: `Bearer ${tenant.apiKey}`, 'content-type': 'application/json' };
  const budget = await fetch(`${control.url}/api/v1/tenants/${tenant.tenantId}/budgets`, {
    method: 'POST',
    headers: { authorization: `Bearer ${adminKey}`, 'content-type': 'application/json' },
    body: JSON.stringify({
      period: 'total',
      limit: '0.000001',
      mode: 'warn',
      alerts: [1],
      webhook: receiver.url,
    }),
  });
  expect(budget.status).toBe(201);
  const answer = await fetch(`${ingress.url}/v1/chat/completions`, {
    method: 'POST',
    headers,
    body: JSON.stringify({
      model: 'openai/gpt-4o-mini',
      messages: [{ role: 'user', content: 'echo: hello' }],
    }),
  });
  expect(await answer.json()).toMatchObject({ choices: [{ message: { content: 'hello' } }] });

  const usage = z.object({ data: z.array(z.object({ requests: z.number() })) });
  await vi.waitFor(async () => {
    const answered = await fetch(`${control.url}/api/v1/usage/query`, {
      method: 'POST',
      headers,
      body: JSON.stringify({
        from: '2026-01-01T00:00:00Z',
        to: '2100-01-01T00:00:00Z',
        granularity: 'total',
      }),
    });
    expect(usage.parse(await answered.json()).data).toEqual([{ requests: 1 }]);
  }, 20_000);

  await vi.waitFor(() => expect(receiver.received).toHaveLength(1), 20_000);
  expect(JSON.parse(receiver.received[0]?.body ?? '')).toMatchObject({ type: 'budget.alert' });

  for (const role of running) role.kill('SIGTERM');
  for (const role of running) expect(await role.exited, role.output()).toEqual({ code: 0, signal: null });
  const output = running.map((role) => role.output()).join('');
  for (const secret of [
    adminKey,
    masterKey,
    tenant.apiKey,
    ...tenant.providerSecrets,
    database.url,
    nats.url,
  ]) {
    expect(output).not.toContain(secret);
  }
});
