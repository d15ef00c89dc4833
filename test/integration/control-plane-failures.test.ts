/** What the control plane does when the store, a provider or another writer gets in its way. */
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { PROVIDER_KEYS_MAX, ROUTES_MAX } from '#contracts/control-plane';
import { providerKeyId, tenantId } from '#contracts/ids';
import { createProviderCredentials } from '#postgres/provider-credentials';
import { openControlPlane, type TestControlPlane } from '#test/support/control-plane';
import { createDatabase } from '#test/support/services';

const SECRET = 'sk-secret-of-the-test';

let dropDatabase: () => Promise<void>;
/** On one database: one that may call private addresses, and one that may not. */
let control: TestControlPlane;
let guarded: TestControlPlane;
let call: TestControlPlane['call'];
let provider: Server;
let providerUrl: string;
let providerAnswer = { status: 200, body: '{}' };
const providerCalls: string[] = [];
let tenant: string;

beforeAll(async () => {
  const { url, drop } = await createDatabase();
  dropDatabase = drop;
  control = await openControlPlane({ databaseUrl: url });
  guarded = await openControlPlane({ databaseUrl: url, vault: control.vault, allowPrivateUpstreams: false });
  ({ call } = control);
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
  await guarded.close();
  await control.close();
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
      const answer = await guarded.call('POST', `/tenants/${tenant}/provider-keys`, body);
      expect(answer.status).toBe(400);
      expect(answer.json).toMatchObject({ error: { code: 'invalid_request', param: 'base_url' } });
    },
  );

  it('is refused in a change and in a check of a key that was stored before', async () => {
    providerAnswer = { status: 200, body: '{}' };
    const id = String((await createProviderKey('allowed once', { base_url: providerUrl })).json['id']);
    const path = `/tenants/${tenant}/provider-keys/${id}`;
    expect((await guarded.call('PATCH', path, { base_url: 'http://10.0.0.1' })).status).toBe(400);
    expect((await guarded.call('POST', `${path}/verify`)).status).toBe(400);
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
    const credential = await createProviderCredentials(control.database, control.vault).open(
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
    const left = async (statement: string) => (await control.database.pool.query(statement, [id])).rowCount;
    expect(await left('select 1 from tenant_data_key where tenant_id = $1')).toBe(0);
    expect(await left('select 1 from provider_key where tenant_id = $1 and length(sealed) > 0')).toBe(0);
    expect(await left('select 1 from api_key where tenant_id = $1 and deleted_at is null')).toBe(0);
    for (const part of ['provider-keys', 'api-keys', 'routes']) {
      expect((await call('GET', `/tenants/${id}/${part}`)).status, part).toBe(404);
    }
  });
});

describe('a tenant', () => {
  it('has so many provider keys and routes and no more, and may still change them', async () => {
    const id = String((await call('POST', '/tenants', { name: 'collector' })).json['id']);
    const { pool } = control.database;
    await pool.query(
      `insert into provider_key (id, tenant_id, provider, name, sealed, data_key_version, secret_version, last4)
       select 'pkey_' || lpad(n::text, 26, '0'), $1, 'openai', n::text, '', 1, 1, '' from generate_series(1, $2) n`,
      [id, PROVIDER_KEYS_MAX],
    );
    await pool.query(
      `insert into route (tenant_id, name, definition)
       select $1, n::text, '{"strategy":"fallback","targets":[{"model":"openai/x"}]}' from generate_series(1, $2) n`,
      [id, ROUTES_MAX],
    );
    const body = { provider: 'openai', name: 'one more', secret: SECRET };
    expect((await call('POST', `/tenants/${id}/provider-keys`, body)).json).toMatchObject({
      error: { code: 'conflict', message: expect.stringMatching(/at most 1000 provider keys/) },
    });
    const definition = { strategy: 'fallback', targets: [{ model: 'openai/x' }] };
    expect((await call('PUT', `/tenants/${id}/routes/more`, definition)).status).toBe(409);
    expect((await call('PUT', `/tenants/${id}/routes/7`, definition)).status).toBe(200);
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

describe('a store that is down', () => {
  it('is told as such, with a time to come back, and its error keeps what was written to itself', async () => {
    const down = await openControlPlane({ databaseUrl: 'postgres://nobody@127.0.0.1:1/none' });
    const answer = await down.call('POST', '/tenants', { name: 'a name that nobody may read' });
    await down.close();
    expect(answer.status).toBe(503);
    expect(answer.headers['retry-after']).toBe('1');
    expect(answer.json).toMatchObject({ error: { code: 'unavailable' } });
    expect(down.logged.join('')).toContain('ECONNREFUSED');
    expect(down.logged.join('') + answer.text).not.toContain('a name that nobody may read');
  });
});
