/** What the control plane says to requests that it cannot take. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ADMIN_KEY, openControlPlane, type Method, type TestControlPlane } from '#test/support/control-plane';

const SECRET = 'sk-secret-of-the-test';

let control: TestControlPlane;
let call: TestControlPlane['call'];
beforeAll(async () => {
  control = await openControlPlane();
  ({ call } = control);
});
afterAll(() => control.close());

const createTenant = async (): Promise<string> =>
  String((await call('POST', '/tenants', { name: 'acme' })).json['id']);

describe('the control plane', () => {
  const cases: [string, Method, string, object | undefined, number, string, string | undefined][] = [
    ['an unknown field', 'POST', '/tenants', { name: 'x', plan: 'pro' }, 400, 'invalid_request', 'plan'],
    ['no name', 'POST', '/tenants', {}, 400, 'invalid_request', 'name'],
    ['a wrong type', 'POST', '/tenants', { name: 7 }, 400, 'invalid_request', 'name'],
    ['a NUL', 'POST', '/tenants', { name: 'a\0b' }, 400, 'invalid_request', 'name'],
    [
      'a provider not served',
      'POST',
      '/tenants/T/provider-keys',
      { provider: 'somebody', name: 'x', secret: SECRET },
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
      { strategy: 'luckiest', targets: [{ model: 'm' }] },
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
    expect((await call('POST', '/tenants', '{"name":')).status).toBe(400);
    const none = await control.app.inject({ method: 'GET', url: '/api/v1/tenants' });
    expect(none.json()).toMatchObject({ error: { code: 'missing_key' } });
    expect((await call('GET', '/tenants', undefined, { key: 'wrong' })).status).toBe(401);
    expect((await call('GET', '/tenants', undefined, { key: `${ADMIN_KEY}x` })).status).toBe(401);
  });
});

describe('what a client writes', () => {
  it('is named when it is a field that is not there, in a part too', async () => {
    expect((await call('POST', '/tenants', { name: 'x', plan: 'pro' })).json).toMatchObject({
      error: { param: 'plan', message: expect.stringMatching(/leave it out/) },
    });
    const body = { name: 'x', limits: { per_day: 1 } };
    const nested = await call('POST', `/tenants/${await createTenant()}/api-keys`, body);
    expect(nested.json).toMatchObject({ error: { param: 'limits.per_day' } });
    const query = await call('GET', '/tenants?page=2');
    expect(query.json).toMatchObject({ error: { param: 'page' } });
  });

  it('may be called JSON where there is nothing', async () => {
    const keys = `/tenants/${await createTenant()}/api-keys`;
    const path = `${keys}/${String((await call('POST', keys, { name: 'x' })).json['id'])}`;
    expect((await call('POST', `${path}/rotate`, '')).status).toBe(200);
    expect((await call('DELETE', path, '')).status).toBe(204);
  });

  it('cannot make the store fail by a cursor', async () => {
    for (const position of ['a\0b', { id: 1 }, 7, 'x'.repeat(300)]) {
      const cursor = Buffer.from(JSON.stringify(position)).toString('base64url');
      const answer = await call('GET', `/tenants?cursor=${cursor}`);
      expect(answer.json, JSON.stringify(position)).toMatchObject({ error: { param: 'cursor' } });
    }
  });

  it.each(['[]', '"text"', '7', 'null', ''])('is refused when it is no object: %j', async (payload) => {
    const answer = await call('POST', '/tenants', payload);
    expect(answer.status).toBe(400);
    expect(answer.json).toMatchObject({ error: { code: 'invalid_request' } });
  });
});
