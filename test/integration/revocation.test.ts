/** How soon what the control plane changes holds at the ingress, over real NATS. */
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { startAll, type RunningFlo2, type TestTenant } from '#test/support/flo2';
import { createDatabase, startNats, type TestDatabase, type TestNats } from '#test/support/services';
import { callControl } from '#test/support/tenant';

/** What the interface promises for a key that is revoked. */
const HOLD_WITHIN_MS = 1_000;

let database: TestDatabase;
let nats: TestNats;
/** Two, as where processes are many: what one is told the other has to hear. */
let manager: RunningFlo2;
let server: RunningFlo2;
let tenant: TestTenant;

beforeAll(async () => {
  database = await createDatabase();
  nats = await startNats();
  manager = await startAll({ database, nats });
  server = await startAll({ database, nats });
});

afterAll(async () => {
  await server.close();
  await manager.close();
  await nats.stop();
  await database.drop();
});

const askModels = async (key: string): Promise<{ status: number; ids: string[] }> => {
  const answer = await fetch(`${server.url}/v1/models`, { headers: { authorization: `Bearer ${key}` } });
  const { data = [] } = (await answer.json()) as { data?: { id: string }[] };
  return { status: answer.status, ids: data.map(({ id }) => id) };
};

const change = (method: string, path: string, body?: object) =>
  callControl(manager, method, `/tenants/${tenant.tenantId}${path}`, body);

const untilHeld = (check: () => Promise<void>) =>
  vi.waitFor(check, { timeout: HOLD_WITHIN_MS, interval: 20 });

describe('a change of the control plane', () => {
  beforeAll(async () => {
    tenant = await manager.createTenant({ simulatorUrl: 'http://127.0.0.1:9' });
    expect((await askModels(tenant.apiKey)).status).toBe(200);
  });

  it('gives the ingress a new route, and takes it away', async () => {
    await change('PUT', '/routes/safe', { strategy: 'fallback', targets: [{ model: 'openai/gpt-4o-mini' }] });
    await untilHeld(async () => expect((await askModels(tenant.apiKey)).ids).toContain('safe'));
    await change('DELETE', '/routes/safe');
    await untilHeld(async () => expect((await askModels(tenant.apiKey)).ids).not.toContain('safe'));
  });

  it('narrows what a key may use', async () => {
    await change('PATCH', `/api-keys/${tenant.apiKeyId}`, { models: ['anthropic/*'] });
    await untilHeld(async () => {
      const { ids } = await askModels(tenant.apiKey);
      expect(ids.length).toBeGreaterThan(0);
      expect(ids.filter((id) => !id.startsWith('anthropic/'))).toEqual([]);
    });
  });

  it('takes away the models of a deleted provider key', async () => {
    await change('PATCH', `/api-keys/${tenant.apiKeyId}`, { models: null });
    await change('DELETE', `/provider-keys/${tenant.providerKeyIds[0]}`);
    await untilHeld(async () => {
      const { ids } = await askModels(tenant.apiKey);
      expect(ids.filter((id) => id.startsWith('openai/'))).toEqual([]);
    });
  });

  it('ends an old key when it is rotated, and the new one when it is revoked', async () => {
    const rotated = (await change('POST', `/api-keys/${tenant.apiKeyId}/rotate`)) as { key: string };
    await untilHeld(async () => expect((await askModels(tenant.apiKey)).status).toBe(401));
    expect((await askModels(rotated.key)).status).toBe(200);
    await change('DELETE', `/api-keys/${tenant.apiKeyId}`);
    await untilHeld(async () => expect((await askModels(rotated.key)).status).toBe(401));
  });

  it('ends every key of a tenant that is deleted', async () => {
    const leaving = await manager.createTenant({ simulatorUrl: 'http://127.0.0.1:9' });
    expect((await askModels(leaving.apiKey)).status).toBe(200);
    await callControl(manager, 'DELETE', `/tenants/${leaving.tenantId}`);
    await untilHeld(async () => expect((await askModels(leaving.apiKey)).status).toBe(401));
  });
});
