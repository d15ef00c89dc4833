/** What the control plane does when the store, a provider or another writer gets in its way. */
import { randomBytes, randomFillSync } from 'node:crypto';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { FastifyInstance } from 'fastify';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { providerKeyId, tenantId } from '#contracts/ids';
import { IdMint } from '#domain/mint-id';
import { openDatabase, type Database } from '#postgres/database';
import { createProviderCredentials } from '#postgres/provider-credentials';
import { createLogger } from '#runtime/logger';
import { registerControlPlane } from '#services/control/service';
import { createDatabase } from '#test/support/services';
import { createVault } from '#vault/vault';
import { createWebServer } from '#web/server';

const ADMIN_KEY = 'admin-key-of-the-test';
const SECRET = 'sk-secret-of-the-test';

const vault = createVault({ masterKey: randomBytes(32) });
const logged: string[] = [];
const opened: { close: () => unknown }[] = [];

const openControl = (database: Database, allowPrivateUpstreams: boolean): FastifyInstance => {
  const logger = createLogger({
    name: 'control',
    level: 'info',
    format: 'json',
    destination: { write: (line: string) => void logged.push(line) },
  });
  const app = createWebServer({ logger });
  registerControlPlane(app, {
    database,
    vault,
    configurationChanges: { announce: () => undefined, subscribe: () => undefined },
    adminKey: ADMIN_KEY,
    allowPrivateUpstreams,
    clock: { nowMs: Date.now },
    mint: new IdMint({ nowMs: Date.now, fillRandom: (bytes) => randomFillSync(bytes) }),
  });
  opened.push(app);
  return app;
};

const openStore = (url: string): Database => {
  const database = openDatabase({
    url,
    poolMax: 4,
    applicationName: 'control-failures-test',
    onIdleError: () => undefined,
  });
  opened.push(database);
  return database;
};

type Method = 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE';
const callOf =
  (app: FastifyInstance) =>
  async (method: Method, path: string, body?: object, headers: Record<string, string> = {}) => {
    const answer = await app.inject({
      method,
      url: `/api/v1${path}`,
      headers: { authorization: `Bearer ${ADMIN_KEY}`, ...headers },
      ...(body !== undefined && { payload: body }),
    });
    const json = answer.body === '' ? {} : answer.json<Record<string, unknown>>();
    return { status: answer.statusCode, headers: answer.headers, json, text: answer.body };
  };

let dropDatabase: () => Promise<void>;
let database: Database;
let app: FastifyInstance;
let call: ReturnType<typeof callOf>;
let guardedCall: ReturnType<typeof callOf>;
let provider: Server;
let providerUrl: string;
let providerAnswer = { status: 200, body: '{}' };
const providerCalls: string[] = [];
let tenant: string;

beforeAll(async () => {
  const created = await createDatabase();
  dropDatabase = created.drop;
  database = openStore(created.url);
  app = openControl(database, true);
  call = callOf(app);
  guardedCall = callOf(openControl(database, false));
  provider = createServer((request, response) => {
    providerCalls.push(request.url ?? '');
    const headers = { 'content-type': 'application/json', location: '/elsewhere' };
    response.writeHead(providerAnswer.status, headers).end(providerAnswer.body);
  });
  await new Promise<void>((resolve) => provider.listen(0, '127.0.0.1', resolve));
  providerUrl = `http://127.0.0.1:${(provider.address() as AddressInfo).port}`;
  tenant = String((await call('POST', '/tenants', { name: 'acme' })).json['id']);
});

afterAll(async () => {
  for (const { close } of opened.toReversed()) await close();
  provider.close();
  await dropDatabase();
});

const createProviderKey = async (name: string, body: object = {}) =>
  call('POST', `/tenants/${tenant}/provider-keys`, { provider: 'openai', name, secret: SECRET, ...body });

describe('a check of a provider key', () => {
  const verify = async (answer: typeof providerAnswer) => {
    providerAnswer = answer;
    return createProviderKey('checked', { base_url: providerUrl, verify: true });
  };

  it.each([500, 404, 429])('stores nothing when the provider answers %i', async (status) => {
    const answer = await verify({ status, body: SECRET });
    expect(answer.json).toMatchObject({ error: { code: 'server' } });
    expect(answer.text).toContain(String(status));
    expect(answer.text).not.toContain(SECRET);
  });

  it('stores nothing when the provider cannot be reached', async () => {
    const answer = await createProviderKey('checked', { base_url: 'http://127.0.0.1:1', verify: true });
    expect(answer.status).toBe(502);
    expect(answer.json).toMatchObject({ error: { code: 'connection' } });
    const listed = await call('GET', `/tenants/${tenant}/provider-keys`);
    expect(listed.json['data']).toEqual([]);
  });

  it('follows no redirect to an address that was never checked', async () => {
    expect((await verify({ status: 302, body: '' })).json).toMatchObject({ error: { code: 'server' } });
    expect(providerCalls.length).toBeGreaterThan(0);
    expect(providerCalls).not.toContain('/elsewhere');
  });
});

describe('a base URL inside the private network', () => {
  it.each(['http://127.0.0.1:9', 'http://localhost:9', 'http://[::1]:9', 'http://169.254.169.254/latest'])(
    'is refused: %s',
    async (baseUrl) => {
      const body = { provider: 'openai', name: 'inside', secret: SECRET, base_url: baseUrl };
      const answer = await guardedCall('POST', `/tenants/${tenant}/provider-keys`, body);
      expect(answer.status).toBe(400);
      expect(answer.json).toMatchObject({ error: { code: 'invalid_request', param: 'base_url' } });
    },
  );

  it('is refused in a change and in a check of a key that was stored before', async () => {
    providerAnswer = { status: 200, body: '{}' };
    const id = String((await createProviderKey('allowed once', { base_url: providerUrl })).json['id']);
    const path = `/tenants/${tenant}/provider-keys/${id}`;
    expect((await guardedCall('PATCH', path, { base_url: 'http://10.0.0.1' })).status).toBe(400);
    expect((await guardedCall('POST', `${path}/verify`)).status).toBe(400);
    expect((await call('POST', `${path}/verify`)).json).toMatchObject({ verification: { accepted: true } });
  });
});

describe('two writers at once', () => {
  it('never leave a key that opens under none of their secrets', async () => {
    const id = String((await createProviderKey('contended')).json['id']);
    const path = `/tenants/${tenant}/provider-keys/${id}/rotate`;
    const secrets = Array.from({ length: 8 }, (_, index) => `sk-contended-secret-${index}`);
    const answers = await Promise.all(secrets.map((secret) => call('POST', path, { secret })));
    const taken = answers.filter(({ status }) => status === 200);
    expect(taken.length).toBeGreaterThan(0);
    expect(answers.filter(({ status }) => status === 409)).toHaveLength(secrets.length - taken.length);
    const credential = await createProviderCredentials(database, vault).open(
      tenantId.parse(tenant),
      providerKeyId.parse(id),
    );
    const stored = await call('GET', `/tenants/${tenant}/provider-keys/${id}`);
    expect(stored.json).toMatchObject({
      secret_version: 1 + taken.length,
      last4: credential?.secret.slice(-4),
    });
    expect(secrets).toContain(credential?.secret);
  });
});

describe('a deleted tenant', () => {
  it('leaves neither a secret nor the means to open one', async () => {
    const id = String((await call('POST', '/tenants', { name: 'leaving' })).json['id']);
    await call('POST', `/tenants/${id}/provider-keys`, { provider: 'openai', name: 'x', secret: SECRET });
    await call('POST', `/tenants/${id}/api-keys`, { name: 'x' });
    expect((await call('DELETE', `/tenants/${id}`)).status).toBe(204);
    const left = async (statement: string) => (await database.pool.query(statement, [id])).rowCount;
    expect(await left('select 1 from tenant_data_key where tenant_id = $1')).toBe(0);
    expect(await left('select 1 from provider_key where tenant_id = $1 and length(sealed) > 0')).toBe(0);
    expect(await left('select 1 from api_key where tenant_id = $1 and deleted_at is null')).toBe(0);
    for (const part of ['provider-keys', 'api-keys', 'routes']) {
      expect((await call('GET', `/tenants/${id}/${part}`)).status, part).toBe(404);
    }
  });
});

describe('a route', () => {
  const put = (targets: object[]) =>
    call('PUT', `/tenants/${tenant}/routes/checked`, { strategy: 'fallback', targets });

  it('takes only keys of its own tenant, and only for their provider', async () => {
    const own = String((await createProviderKey('own')).json['id']);
    const other = String((await call('POST', '/tenants', { name: 'other' })).json['id']);
    const body = { provider: 'openai', name: 'x', secret: SECRET };
    const foreign = String((await call('POST', `/tenants/${other}/provider-keys`, body)).json['id']);

    expect((await put([{ model: 'openai/gpt-4o', provider_key: own, weight: 2 }])).status).toBe(200);
    for (const [index, target] of [
      { model: 'openai/gpt-4o', provider_key: foreign },
      { model: 'anthropic/claude-haiku-4-5', provider_key: own },
    ].entries()) {
      const targets = index === 0 ? [target] : [{ model: 'openai/gpt-4o' }, target];
      const answer = await put(targets);
      expect(answer.json).toMatchObject({
        error: { code: 'invalid_request', param: `targets.${index}.provider_key` },
      });
    }
  });

  it.each(['nobody/x', '/x', 'openai/'])('takes no target %s that nothing could serve', async (model) => {
    const answer = await put([{ model }]);
    expect(answer.json).toMatchObject({ error: { code: 'invalid_request', param: 'targets.0.model' } });
  });
});

describe('what a client writes', () => {
  it('is named when it is a field that is not there, in a part too', async () => {
    expect((await call('POST', '/tenants', { name: 'x', plan: 'pro' })).json).toMatchObject({
      error: { param: 'plan', message: expect.stringMatching(/leave it out/) },
    });
    const limits = { per_day: 1 };
    const nested = await call('POST', `/tenants/${tenant}/api-keys`, { name: 'x', limits });
    expect(nested.json).toMatchObject({ error: { param: 'limits.per_day' } });
    const query = await call('GET', '/tenants?page=2');
    expect(query.json).toMatchObject({ error: { param: 'page' } });
  });

  it('may be called JSON where there is nothing', async () => {
    const made = await call('POST', `/tenants/${tenant}/api-keys`, { name: 'x' });
    const path = `/tenants/${tenant}/api-keys/${String(made.json['id'])}`;
    const json = { 'content-type': 'application/json' };
    expect((await call('POST', `${path}/rotate`, undefined, json)).status).toBe(200);
    expect((await call('DELETE', path, undefined, json)).status).toBe(204);
  });

  it('cannot make the store fail by a cursor', async () => {
    for (const position of ['a\0b', { id: 1 }, 7, 'x'.repeat(300)]) {
      const cursor = Buffer.from(JSON.stringify(position)).toString('base64url');
      const answer = await call('GET', `/tenants?cursor=${cursor}`);
      expect(answer.json, JSON.stringify(position)).toMatchObject({ error: { param: 'cursor' } });
    }
  });

  it.each(['[]', '"text"', '7', 'null', ''])('is refused when it is no object: %j', async (payload) => {
    const headers = { authorization: `Bearer ${ADMIN_KEY}`, 'content-type': 'application/json' };
    const answer = await app.inject({ method: 'POST', url: '/api/v1/tenants', headers, payload });
    expect(answer.statusCode).toBe(400);
    expect(answer.json()).toMatchObject({ error: { code: 'invalid_request' } });
  });
});

describe('a store that is down', () => {
  it('is told as such, with a time to come back, and its error keeps what was written to itself', async () => {
    const down = callOf(openControl(openStore('postgres://nobody@127.0.0.1:1/none'), true));
    logged.length = 0;
    const answer = await down('POST', '/tenants', { name: 'a name that nobody may read' });
    expect(answer.status).toBe(503);
    expect(answer.headers['retry-after']).toBe('1');
    expect(answer.json).toMatchObject({ error: { code: 'unavailable' } });
    expect(logged.join('')).toContain('ECONNREFUSED');
    expect(logged.join('') + answer.text).not.toContain('a name that nobody may read');
  });
});
