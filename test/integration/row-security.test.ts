import { Client } from 'pg';
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import type { TenantId } from '#contracts/ids';
import { inTenant } from '#postgres/tenant-scope';
import { attemptEventOf } from '#test/support/attempt-events';
import { ADMIN_KEY, openControlPlane, type TestControlPlane } from '#test/support/control-plane';
import { openTestLedger, type TestLedger } from '#test/support/ledger';

let opened: TestLedger;
let control: TestControlPlane;
let owner: Client;
type Tenant = { tenantId: TenantId; key: string; ids: string[] };
let acme: Tenant;
let globex: Tenant;

/** A tenant with something of everything. */
const furnish = async (name: string): Promise<Tenant> => {
  const post = async (path: string, body: object): Promise<Record<string, unknown>> => {
    const { status, json, text } = await control.call(path.endsWith('/r') ? 'PUT' : 'POST', path, body);
    if (status >= 300) throw new Error(text);
    return json;
  };
  const tenantId = String((await post('/tenants', { name }))['id']) as TenantId;
  const base = `/tenants/${tenantId}`;
  const providerKey = await post(`${base}/provider-keys`, {
    provider: 'openai',
    name: `${name} key`,
    secret: `sk-${name}-secret`,
  });
  const apiKey = await post(`${base}/api-keys`, {
    name: `${name} reader`,
    scopes: ['usage:read', 'tenant:admin'],
  });
  await post(`${base}/routes/r`, { strategy: 'fallback', targets: [{ model: 'openai/gpt-4o' }] });
  const budget = await post(`${base}/budgets`, {
    period: 'month',
    limit: '5',
    webhook: { url: `http://127.0.0.1:9/${name}` },
  });
  const events = [1, 2].map(() => attemptEventOf({ tenantId }));
  await opened.ledger.recordEvents(events.map(opened.priced));
  const ids = [tenantId, providerKey['id'], apiKey['id'], budget['id'], budget['webhook_endpoint']];
  return {
    tenantId,
    key: String(apiKey['key']),
    ids: [...ids.map(String), ...events.flatMap((event) => [event.attemptId, event.requestId])],
  };
};

beforeAll(async () => {
  opened = await openTestLedger();
  control = await openControlPlane({ databaseUrl: opened.url });
  owner = new Client({ connectionString: opened.url });
  await owner.connect();
  acme = await furnish('acme');
  globex = await furnish('globex');
});
afterEach(() => vi.restoreAllMocks());
afterAll(async () => {
  await owner.end();
  await control.close();
  await opened.close();
});

const tenantTables = async (): Promise<string[]> => {
  const { rows } = await owner.query<{ name: string }>(
    `select relname as name from pg_class class join pg_attribute on attrelid = class.oid
     where relnamespace = 'public'::regnamespace and relkind in ('r', 'p') and not relispartition
       and attname = 'tenant_id' and not attisdropped order by 1`,
  );
  return rows.map(({ name }) => name);
};

type SendQuery = (this: Client, config: unknown, ...rest: unknown[]) => unknown;

/** Changes the text of every statement that goes to Postgres until the end of the test. */
const stripStatements = (strip: (text: string) => string): void => {
  const prototype = Client.prototype as unknown as { query: SendQuery };
  const send = Reflect.get(prototype, 'query');
  vi.spyOn(prototype, 'query').mockImplementation(function (this: Client, config, ...rest) {
    if (typeof config === 'string') return send.call(this, strip(config), ...rest);
    const isConfig = typeof config === 'object' && config !== null && 'text' in config;
    if (isConfig && typeof config.text === 'string') config.text = strip(config.text);
    return send.call(this, config, ...rest);
  });
};

describe('row security', () => {
  it('is forced on every table with a tenant, and the tenant’s role has no other table with rows of one', async () => {
    const { rows } = await owner.query<{ name: string }>(
      `select relname as name from pg_class where relrowsecurity and relforcerowsecurity`,
    );
    const protectedTables = new Set(rows.map(({ name }) => name));
    expect((await tenantTables()).filter((name) => !protectedTables.has(name))).toEqual([]);
    const granted = await owner.query<{ name: string }>(
      `select distinct table_name as name from information_schema.role_table_grants
       where grantee = 'flo2_tenant' order by 1`,
    );
    const open = granted.rows.map(({ name }) => name).filter((name) => !protectedTables.has(name));
    expect(open).toEqual(['price', 'price_snapshot', 'usage_entry']);
    const roles = await owner.query(
      `select rolname, rolsuper, rolcanlogin, rolbypassrls from pg_roles where rolname like 'flo2\\_%' order by 1`,
    );
    expect(roles.rows).toEqual([
      { rolname: 'flo2_fleet', rolsuper: false, rolcanlogin: false, rolbypassrls: true },
      { rolname: 'flo2_tenant', rolsuper: false, rolcanlogin: false, rolbypassrls: false },
    ]);
  });

  it('shows a tenant no row of another in any table, whatever is asked, nor lets one be written', async () => {
    const { pool } = opened.database;
    let own = 0;
    for (const table of [...(await tenantTables()), 'usage_entry']) {
      const { rows } = await inTenant(acme.tenantId, () =>
        pool.query<{ tenant_id: string }>(`select tenant_id from ${table}`),
      );
      own += rows.length;
      expect(
        rows.filter(({ tenant_id: tenantId }) => tenantId !== acme.tenantId),
        table,
      ).toEqual([]);
    }
    expect(own).toBeGreaterThan(10);
    const stolen = await inTenant(acme.tenantId, () => pool.query('update api_key set deleted_at = now()'));
    expect(stolen.rowCount).toBe(1);
    await inTenant(acme.tenantId, () => pool.query('update api_key set deleted_at = null'));
    const forged = inTenant(acme.tenantId, () =>
      pool.query(`insert into route (tenant_id, name, definition) values ($1, 'forged', '{}')`, [
        globex.tenantId,
      ]),
    );
    await expect(forged).rejects.toThrow(/row-level security/);
    // Parts of the ledger are not to be had past the whole.
    const month = await owner.query<{ name: string }>(
      `select relname as name from pg_class where relispartition and relname like 'usage_event_%' limit 1`,
    );
    const direct = inTenant(acme.tenantId, () => pool.query(`select from ${month.rows[0]?.name}`));
    await expect(direct).rejects.toThrow(/permission denied/);
  });

  it('shows the fleet all rows, gives it back a connection that worked for a tenant, and no way to change the ledger', async () => {
    const { pool } = opened.database;
    for (let round = 0; round < 20; round += 1) {
      const tenant = round % 2 === 0 ? acme : globex;
      const [mine, all] = await Promise.all([
        inTenant(tenant.tenantId, () => pool.query<{ id: string }>('select id from tenant')),
        pool.query<{ id: string }>('select id from tenant'),
      ]);
      expect(mine.rows).toEqual([{ id: tenant.tenantId }]);
      expect(all.rows.length).toBeGreaterThanOrEqual(2);
    }
    for (const statement of [
      'update usage_event set cost_pico_usd = 0',
      'delete from usage_charge',
      'truncate usage_event',
      'drop table usage_event',
      'alter table usage_event no force row level security',
    ]) {
      await expect(pool.query(statement), statement).rejects.toThrow(/permission denied|must be owner/);
    }
  });

  it('holds where every condition on the tenant was left out of every statement of the control plane', async () => {
    let stripped = 0;
    const strip = (text: string): string =>
      text.replaceAll(/(?:"?\w+"?\.)?"?tenant_id"? = (\$\d+)/g, (condition) => {
        stripped += 1;
        return `(${condition} or true)`;
      });
    stripStatements(strip);

    const base = `/tenants/${acme.tenantId}`;
    const range = { from: '2026-06-01T00:00:00Z', to: '2026-07-01T00:00:00Z' };
    const asks: [string, 'GET' | 'POST', string, object?][] = [
      ['provider keys', 'GET', `${base}/provider-keys`],
      ['API keys', 'GET', `${base}/api-keys`],
      ['routes', 'GET', `${base}/routes`],
      ['budgets', 'GET', `${base}/budgets`],
      ['webhook endpoints', 'GET', `${base}/webhook-endpoints`],
      ['webhook deliveries', 'GET', `${base}/webhook-deliveries`],
      ['usage', 'POST', '/usage/query', { ...range, group_by: ['tenant', 'api_key'] }],
      ['usage of minutes', 'POST', '/usage/query', { ...range, granularity: 'minute', group_by: ['tenant'] }],
      ['performance', 'POST', '/usage/performance', { ...range, group_by: ['tenant'] }],
      ['an export', 'GET', `/usage/export?format=ndjson&from=${range.from}&to=${range.to}`],
      ['FOCUS', 'GET', `/usage/export?format=focus&from=${range.from}&to=${range.to}`],
    ];
    for (const [what, method, path, body] of asks) {
      const { statusCode: status, body: text } = await control.app.inject({
        method,
        url: `/api/v1${path}`,
        headers: { authorization: `Bearer ${acme.key}` },
        ...(body !== undefined && { payload: body }),
      });
      expect(status, `${what}: ${text}`).toBe(200);
      for (const id of globex.ids) expect(text, what).not.toContain(id);
    }
    const request = globex.ids.find((id) => id.startsWith('req_')) ?? '';
    expect(
      (await control.call('GET', `/usage/requests/${request}`, undefined, { key: acme.key })).status,
    ).toBe(404);
    expect(stripped).toBeGreaterThan(10);

    // Without row security the same statements would have told.
    const told = await control.call(
      'POST',
      '/usage/query',
      { ...range, group_by: ['tenant'] },
      { key: ADMIN_KEY },
    );
    expect(told.text).toContain(globex.tenantId);
  });
});
