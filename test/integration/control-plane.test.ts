import { randomBytes, randomFillSync } from 'node:crypto';
import type { FastifyInstance } from 'fastify';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { providerKeyId, tenantId } from '#contracts/ids';
import { IdMint } from '#domain/mint-id';
import { openDatabase, type Database } from '#postgres/database';
import { createProviderCredentials } from '#postgres/provider-credentials';
import { createTenantDirectory } from '#postgres/tenant-directory';
import { registerControlPlane } from '#services/control/service';
import { startSimulator, type Simulator } from '#test/simulators/simulator';
import { createDatabase } from '#test/support/services';
import { createVault } from '#vault/vault';
import { hashApiKey } from '#web/caller-key';
import { createWebServer } from '#web/server';

const ADMIN_KEY = 'admin-key-of-the-test';
const SECRET = 'sk-secret-of-the-test';

let app: FastifyInstance;
let database: Database;
let dropDatabase: () => Promise<void>;
let simulator: Simulator;
const vault = createVault({ masterKey: randomBytes(32) });
const logged: string[] = [];
const announced: string[] = [];

beforeAll(async () => {
  const created = await createDatabase();
  dropDatabase = created.drop;
  database = openDatabase({
    url: created.url,
    poolMax: 4,
    applicationName: 'control-test',
    onIdleError: () => undefined,
  });
  simulator = await startSimulator();
  const log = (details: object, message: string) => void logged.push(JSON.stringify(details) + message);
  app = createWebServer({ logger: { info: log, warn: log, error: log } });
  registerControlPlane(app, {
    database,
    vault,
    configurationChanges: {
      announce: (change) => void announced.push(change.tenantId),
      subscribe: () => undefined,
    },
    adminKey: ADMIN_KEY,
    allowPrivateUpstreams: true,
    clock: { nowMs: Date.now },
    mint: new IdMint({ nowMs: Date.now, fillRandom: (bytes) => randomFillSync(bytes) }),
  });
});

afterAll(async () => {
  await app.close();
  await simulator.close();
  await database.close();
  await dropDatabase();
});

type Method = 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE';
type Json = Record<string, unknown>;

const answers: string[] = [];
const call = async (method: Method, path: string, body?: unknown, key = ADMIN_KEY) => {
  const answer = await app.inject({
    method,
    url: `/api/v1${path}`,
    headers: { authorization: `Bearer ${key}` },
    ...(body !== undefined && { payload: body as object }),
  });
  answers.push(answer.body);
  const json: Json = answer.body === '' ? {} : answer.json();
  return { status: answer.statusCode, json, text: answer.body };
};

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

  it('take their keys with them', async () => {
    const tenant = await createTenant();
    const { key } = await createApiKey(tenant);
    const directory = createTenantDirectory(database);
    expect(await directory.findApiKey(hashApiKey(key))).not.toBeNull();
    await call('DELETE', `/tenants/${tenant}`);
    expect(await directory.findApiKey(hashApiKey(key))).toBeNull();
  });
});

describe('provider keys', () => {
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
    const credentials = createProviderCredentials(database, vault);
    expect(await credentials.open(owner, id)).toMatchObject({ secret: SECRET, provider: 'openai' });
    const stranger = tenantId.parse(await createTenant('stranger'));
    expect(await credentials.open(stranger, id)).toBeNull();

    const { rows } = await database.pool.query<{ sealed: Buffer }>(
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
    expect(announced.filter((one) => one === tenant)).toHaveLength(4);
  });

  it('are verified by a call to the provider, before they are stored and later', async () => {
    const path = `/tenants/${await createTenant()}/provider-keys`;
    for (const [provider, prefix, baseUrl] of [
      ['openai', 'sk-', `${simulator.url}/v1`],
      ['anthropic', 'sk-ant-', simulator.url],
    ]) {
      const body = { provider, base_url: baseUrl, verify: true };
      const good = await call('POST', path, {
        ...body,
        name: `${provider} good`,
        secret: `${prefix}good-key`,
      });
      expect(good.status).toBe(201);
      const checked = await call('POST', `${path}/${String(good.json['id'])}/verify`);
      expect(checked.json).toMatchObject({ verification: { accepted: true } });
      const bad = await call('POST', path, {
        ...body,
        name: `${provider} bad`,
        secret: `${prefix}invalid-key`,
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
    const dump = await database.pool.query('select api_key::text from api_key');
    expect(JSON.stringify(dump.rows)).not.toContain(key);

    const found = await createTenantDirectory(database).findApiKey(hashApiKey(key));
    expect(found).toMatchObject({
      tenantId: tenant,
      team: 'payments',
      tags: { env: 'test' },
      scopes: ['inference', 'usage:read'],
      limits: { requestsPerMinute: 60 },
      expiresAtMs: Date.parse('2100-01-01T00:00:00Z'),
    });
  });

  it('are rotated, changed and revoked', async () => {
    const tenant = await createTenant();
    const { id, key } = await createApiKey(tenant);
    const directory = createTenantDirectory(database);
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
    expect((await call('GET', `/tenants/${tenant}`, undefined, key)).status).toBe(200);
    expect((await call('POST', `/tenants/${tenant}/api-keys`, { name: 'x' }, key)).status).toBe(201);
    expect((await call('GET', `/tenants/${other}`, undefined, key)).status).toBe(404);
    expect((await call('POST', `/tenants/${other}/api-keys`, { name: 'x' }, key)).status).toBe(404);
    expect((await call('GET', '/tenants', undefined, key)).status).toBe(403);
    expect((await call('DELETE', `/tenants/${tenant}`, undefined, key)).status).toBe(403);
    const plain = await createApiKey(tenant);
    expect((await call('GET', `/tenants/${tenant}/api-keys`, undefined, plain.key)).status).toBe(403);
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
    const routing = await createTenantDirectory(database).loadRouting(tenantId.parse(tenant));
    expect(routing.routes.get('safe')).toMatchObject({ maxAttempts: 2, timeoutMs: 2_000 });
    expect((await call('DELETE', `${path}/safe`)).status).toBe(204);
    expect((await call('GET', `${path}/safe`)).status).toBe(404);
  });
});

describe('bad input', () => {
  const cases: [string, Method, string, unknown, number, string, string | undefined][] = [
    ['an unknown field', 'POST', '/tenants', { name: 'x', plan: 'pro' }, 400, 'invalid_request', undefined],
    ['no name', 'POST', '/tenants', {}, 400, 'invalid_request', 'name'],
    ['a wrong type', 'POST', '/tenants', { name: 7 }, 400, 'invalid_request', 'name'],
    ['a NUL', 'POST', '/tenants', { name: 'a\0b' }, 400, 'invalid_request', 'name'],
    [
      'a provider not served',
      'POST',
      '/tenants/T/provider-keys',
      { provider: 'mistral', name: 'x', secret: SECRET },
      400,
      'invalid_request',
      'provider',
    ],
    [
      'a secret with a line break',
      'POST',
      '/tenants/T/provider-keys',
      { provider: 'openai', name: 'x', secret: 'sk-a\r\nx-evil: 1' },
      400,
      'invalid_request',
      'secret',
    ],
    [
      'a base URL of another kind',
      'POST',
      '/tenants/T/provider-keys',
      { provider: 'openai', name: 'x', secret: SECRET, base_url: 'file:///etc/passwd' },
      400,
      'invalid_request',
      'base_url',
    ],
    [
      'an unknown scope',
      'POST',
      '/tenants/T/api-keys',
      { name: 'x', scopes: ['root'] },
      400,
      'invalid_request',
      'scopes.0',
    ],
    [
      'a bad time',
      'POST',
      '/tenants/T/api-keys',
      { name: 'x', expires_at: 'tomorrow' },
      400,
      'invalid_request',
      'expires_at',
    ],
    [
      'a strategy not served',
      'PUT',
      '/tenants/T/routes/r',
      { strategy: 'cheapest', targets: [{ model: 'm' }] },
      400,
      'invalid_request',
      'strategy',
    ],
    [
      'no targets',
      'PUT',
      '/tenants/T/routes/r',
      { strategy: 'fallback', targets: [] },
      400,
      'invalid_request',
      'targets',
    ],
    [
      'a route name with a slash',
      'PUT',
      '/tenants/T/routes/a%2Fb',
      { strategy: 'fallback', targets: [{ model: 'm' }] },
      400,
      'invalid_request',
      undefined,
    ],
    ['a bad cursor', 'GET', '/tenants?cursor=nonsense', undefined, 400, 'invalid_request', 'cursor'],
    [
      'a tenant that never was',
      'GET',
      '/tenants/ten_0000000000000000000000000/api-keys',
      undefined,
      404,
      'route_not_found',
      undefined,
    ],
    ['an unknown path', 'GET', '/unheard-of', undefined, 404, 'route_not_found', undefined],
  ];

  it.each(cases)('refuses %s and says what to change', async (_, method, path, body, status, code, param) => {
    const tenant = await createTenant();
    const answer = await call(method, path.replace('/T/', `/${tenant}/`), body);
    expect(answer.json).toMatchObject({
      error: { code, request_id: expect.stringMatching(/^req_/), ...(param !== undefined && { param }) },
    });
    expect(answer.status).toBe(status);
  });

  it('refuses malformed JSON, a missing key and a wrong key', async () => {
    const malformed = await app.inject({
      method: 'POST',
      url: '/api/v1/tenants',
      headers: { authorization: `Bearer ${ADMIN_KEY}`, 'content-type': 'application/json' },
      payload: '{"name":',
    });
    expect(malformed.statusCode).toBe(400);
    const none = await app.inject({ method: 'GET', url: '/api/v1/tenants' });
    expect(none.json()).toMatchObject({ error: { code: 'missing_key' } });
    expect((await call('GET', '/tenants', undefined, 'wrong')).status).toBe(401);
    expect((await call('GET', '/tenants', undefined, `${ADMIN_KEY}x`)).status).toBe(401);
  });

  it('has shown no secret in any answer or log line', () => {
    const everything = answers.join('\n') + logged.join('\n');
    expect(everything).not.toContain(SECRET);
    expect(everything).not.toContain('sk-rotated-secret');
    expect(everything).not.toContain(ADMIN_KEY);
  });
});
