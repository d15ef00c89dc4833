import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { providerKeyId, tenantId } from '#contracts/ids';
import { PROVIDER_IDS } from '#contracts/vocabulary';
import { createProviderCredentials } from '#postgres/provider-credentials';
import { createTenantDirectory } from '#postgres/tenant-directory';
import { simulatedBaseUrl, simulatedSecret } from '#test/simulators/base-urls';
import { startSimulator, type Simulator } from '#test/simulators/simulator';
import { ADMIN_KEY, openControlPlane, type TestControlPlane } from '#test/support/control-plane';
import { hashApiKey } from '#web/caller-key';

const SECRET = 'sk-secret-of-the-test';

let control: TestControlPlane;
let simulator: Simulator;
let call: TestControlPlane['call'];

beforeAll(async () => {
  control = await openControlPlane();
  ({ call } = control);
  simulator = await startSimulator();
});

afterAll(async () => {
  await control.close();
  await simulator.close();
});

const createTenant = async (name = 'acme'): Promise<string> =>
  String((await call('POST', '/tenants', { name })).json['id']);

const createApiKey = async (tenant: string, body: object = {}) => {
  const { json } = await call('POST', `/tenants/${tenant}/api-keys`, { name: 'key', ...body });
  return { id: String(json['id']), key: String(json['key']) };
};

describe('tenants', () => {
  it('are made, read, renamed, listed in pages and deleted', async () => {
    const made = await call('POST', '/tenants', { name: 'first' });
    expect(made.status).toBe(201);
    expect(made.json).toMatchObject({ id: expect.stringMatching(/^ten_/), name: 'first' });
    const id = String(made.json['id']);
    await createTenant('second');

    expect((await call('PATCH', `/tenants/${id}`, { name: 'renamed' })).json['name']).toBe('renamed');
    const page = await call('GET', '/tenants?limit=1');
    expect(page.json).toMatchObject({ data: [{ id, name: 'renamed' }], has_more: true });
    const next = await call('GET', `/tenants?limit=1&cursor=${String(page.json['next_cursor'])}`);
    expect(next.json).toMatchObject({ data: [{ name: 'second' }], has_more: false, next_cursor: null });

    expect((await call('DELETE', `/tenants/${id}`)).status).toBe(204);
    expect((await call('GET', `/tenants/${id}`)).status).toBe(404);
    expect((await call('GET', `/tenants/${id}/api-keys`)).status).toBe(404);
    expect((await call('DELETE', `/tenants/${id}`)).status).toBe(404);
  });

  it('have a weight that only the admin key sets, and shares of their own making', async () => {
    const tenant = await createTenant();
    expect((await call('GET', `/tenants/${tenant}`)).json).toMatchObject({
      weight: 1,
      shares: { teams: {}, features: {} },
    });
    const shares = { teams: { search: 3 }, features: { nightly: 2 } };
    const { key } = await createApiKey(tenant, { scopes: ['tenant:admin'] });
    expect((await call('PATCH', `/tenants/${tenant}`, { shares }, { key })).json).toMatchObject({ shares });
    expect((await call('PATCH', `/tenants/${tenant}`, { weight: 5 }, { key })).status).toBe(403);
    expect((await call('PATCH', `/tenants/${tenant}`, { weight: 5 })).json).toMatchObject({
      weight: 5,
      shares,
    });
    expect((await call('PATCH', `/tenants/${tenant}`, { weight: 0 })).status).toBe(400);

    const routing = await createTenantDirectory(control.database).loadRouting(tenantId.parse(tenant));
    expect(routing).toMatchObject({ weight: 5, shares });
  });

  it('take their keys with them', async () => {
    const tenant = await createTenant();
    const { key } = await createApiKey(tenant);
    const directory = createTenantDirectory(control.database);
    expect(await directory.findApiKey(hashApiKey(key))).not.toBeNull();
    await call('DELETE', `/tenants/${tenant}`);
    expect(await directory.findApiKey(hashApiKey(key))).toBeNull();
  });
});

describe('provider keys', () => {
  it('say what their account allows', async () => {
    const tenant = await createTenant();
    const path = `/tenants/${tenant}/provider-keys`;
    const limits = { requests_per_minute: 600, tokens_per_minute: 100_000 };
    const body = { provider: 'openai', name: 'main', secret: SECRET, account: 'org-1', limits };
    const made = await call('POST', path, body);
    expect(made.json).toMatchObject({ account: 'org-1', limits: { ...limits, concurrency: null } });
    const patched = await call('PATCH', `${path}/${String(made.json['id'])}`, { limits: { concurrency: 4 } });
    expect(patched.json['limits']).toEqual({
      requests_per_minute: null,
      tokens_per_minute: null,
      concurrency: 4,
    });
    const routing = await createTenantDirectory(control.database).loadRouting(tenantId.parse(tenant));
    expect(routing.providerKeys).toMatchObject([{ account: 'org-1', limits: { concurrency: 4 } }]);
  });

  it('are sealed, opened only by the vault, rotated and deleted', async () => {
    const tenant = await createTenant();
    const path = `/tenants/${tenant}/provider-keys`;
    const made = await call('POST', path, {
      provider: 'openai',
      name: 'main',
      secret: SECRET,
      base_url: `${simulator.url}/v1/`,
      models: ['gpt-*'],
      weight: 3,
    });
    expect(made.status).toBe(201);
    expect(made.json).toMatchObject({
      provider: 'openai',
      name: 'main',
      last4: 'test',
      status: 'active',
      base_url: `${simulator.url}/v1`,
      models: ['gpt-*'],
      weight: 3,
    });
    const id = providerKeyId.parse(made.json['id']);
    const owner = tenantId.parse(tenant);
    const credentials = createProviderCredentials(control.database, control.vault);
    expect(await credentials.open(owner, id)).toMatchObject({ secret: SECRET, provider: 'openai' });
    const stranger = tenantId.parse(await createTenant('stranger'));
    expect(await credentials.open(stranger, id)).toBeNull();

    const { rows } = await control.database.pool.query<{ sealed: Buffer }>(
      'select sealed from provider_key where id = $1',
      [id],
    );
    expect(rows[0]?.sealed.includes(SECRET)).toBe(false);

    const rotated = await call('POST', `${path}/${id}/rotate`, { secret: 'sk-rotated-secret-9999' });
    expect(rotated.json).toMatchObject({ last4: '9999', secret_version: 2 });
    expect(await credentials.open(owner, id)).toMatchObject({ secret: 'sk-rotated-secret-9999' });

    const patched = await call('PATCH', `${path}/${id}`, { models: null, weight: 1 });
    expect(patched.json).toMatchObject({ models: null, weight: 1, name: 'main' });
    expect((await call('DELETE', `${path}/${id}`)).status).toBe(204);
    expect(await credentials.open(owner, id)).toBeNull();
    expect((await call('GET', `${path}/${id}`)).status).toBe(404);
    expect(control.announced.filter((one) => one === tenant)).toHaveLength(4);
  });

  it('are verified by a call to the provider, before they are stored and later', async () => {
    const path = `/tenants/${await createTenant()}/provider-keys`;
    for (const provider of PROVIDER_IDS) {
      const body = { provider, base_url: simulatedBaseUrl(simulator.url, provider), verify: true };
      const good = await call('POST', path, {
        ...body,
        name: `${provider} good`,
        secret: simulatedSecret(provider, 'good-key'),
      });
      expect(good.status).toBe(201);
      const checked = await call('POST', `${path}/${String(good.json['id'])}/verify`);
      expect(checked.json).toMatchObject({ verification: { accepted: true } });
      const bad = await call('POST', path, {
        ...body,
        name: `${provider} bad`,
        secret: simulatedSecret(provider, 'invalid-key'),
      });
      expect(bad.status).toBe(400);
      expect(bad.json).toMatchObject({ error: { code: 'invalid_request', param: 'secret' } });
      expect(bad.text).not.toContain('invalid-key');
    }
  });

  it('have names of their own within a tenant', async () => {
    const path = `/tenants/${await createTenant()}/provider-keys`;
    const body = { provider: 'openai', name: 'twice', secret: SECRET };
    expect((await call('POST', path, body)).status).toBe(201);
    const again = await call('POST', path, body);
    expect(again.status).toBe(409);
    expect(again.json).toMatchObject({ error: { code: 'conflict', param: 'name' } });
  });
});

describe('API keys', () => {
  it('are shown once and stored as a hash', async () => {
    const tenant = await createTenant();
    const path = `/tenants/${tenant}/api-keys`;
    const made = await call('POST', path, {
      name: 'checkout',
      team: 'payments',
      tags: { env: 'test' },
      limits: { requests_per_minute: 60 },
      expires_at: '2100-01-01T00:00:00Z',
    });
    expect(made.status).toBe(201);
    const key = String(made.json['key']);
    expect(key).toMatch(/^flo2_[0-9A-Za-z]{38}$/);
    const listed = await call('GET', path);
    expect(listed.text).not.toContain(key);
    const dump = await control.database.pool.query('select api_key::text from api_key');
    expect(JSON.stringify(dump.rows)).not.toContain(key);

    const found = await createTenantDirectory(control.database).findApiKey(hashApiKey(key));
    expect(found).toMatchObject({
      tenantId: tenant,
      team: 'payments',
      tags: { env: 'test' },
      scopes: ['inference', 'batch', 'usage:read'],
      limits: { requestsPerMinute: 60 },
      expiresAtMs: Date.parse('2100-01-01T00:00:00Z'),
    });
  });

  it('are rotated, changed and revoked', async () => {
    const tenant = await createTenant();
    const { id, key } = await createApiKey(tenant);
    const directory = createTenantDirectory(control.database);
    const path = `/tenants/${tenant}/api-keys/${id}`;
    const rotated = String((await call('POST', `${path}/rotate`)).json['key']);
    expect(await directory.findApiKey(hashApiKey(key))).toBeNull();
    expect(await directory.findApiKey(hashApiKey(rotated))).toMatchObject({ id });

    const changed = await call('PATCH', path, {
      team: 'search',
      models: ['openai/*'],
      scopes: ['inference'],
    });
    expect(changed.json).toMatchObject({ team: 'search', models: ['openai/*'], scopes: ['inference'] });
    expect((await call('DELETE', path)).status).toBe(204);
    expect(await directory.findApiKey(hashApiKey(rotated))).toBeNull();
  });

  it('manage their own tenant with tenant:admin, and nobody else’s', async () => {
    const tenant = await createTenant();
    const other = await createTenant('other');
    const { key } = await createApiKey(tenant, { scopes: ['tenant:admin'] });
    expect((await call('GET', `/tenants/${tenant}`, undefined, { key })).status).toBe(200);
    expect((await call('POST', `/tenants/${tenant}/api-keys`, { name: 'x' }, { key })).status).toBe(201);
    expect((await call('GET', `/tenants/${other}`, undefined, { key })).status).toBe(404);
    expect((await call('POST', `/tenants/${other}/api-keys`, { name: 'x' }, { key })).status).toBe(404);
    expect((await call('GET', '/tenants', undefined, { key })).status).toBe(403);
    expect((await call('DELETE', `/tenants/${tenant}`, undefined, { key })).status).toBe(403);
    const plain = await createApiKey(tenant);
    expect((await call('GET', `/tenants/${tenant}/api-keys`, undefined, { key: plain.key })).status).toBe(
      403,
    );
  });
});

describe('routes', () => {
  it('are put, read, listed and deleted', async () => {
    const tenant = await createTenant();
    const path = `/tenants/${tenant}/routes`;
    const body = {
      strategy: 'fallback',
      targets: [{ model: 'openai/gpt-4o-mini' }, { model: 'anthropic/claude-haiku-4-5' }],
      max_attempts: 4,
      timeout_ms: 2_000,
    };
    expect((await call('PUT', `${path}/safe`, body)).json).toMatchObject({ name: 'safe', ...body });
    const replaced = await call('PUT', `${path}/safe`, { ...body, max_attempts: 2 });
    expect(replaced.json['max_attempts']).toBe(2);
    expect((await call('GET', path)).json).toMatchObject({ data: [{ name: 'safe' }], has_more: false });
    const routing = await createTenantDirectory(control.database).loadRouting(tenantId.parse(tenant));
    expect(routing.routes.get('safe')).toMatchObject({ maxAttempts: 2, timeoutMs: 2_000 });
    expect((await call('DELETE', `${path}/safe`)).status).toBe(204);
    expect((await call('GET', `${path}/safe`)).status).toBe(404);
  });
});

it('has shown no secret in any answer or log line', () => {
  const everything = control.answered.join('\n') + control.logged.join('\n');
  expect(control.answered.length).toBeGreaterThan(50);
  for (const secret of [SECRET, 'sk-rotated-secret', 'good-key', 'invalid-key', ADMIN_KEY]) {
    expect(everything).not.toContain(secret);
  }
});
