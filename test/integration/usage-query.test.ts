/** The usage and price routes over one small ledger, whose eight attempts every expected figure comes from. */
import fastify, { type FastifyInstance } from 'fastify';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { AttemptEvent } from '#contracts/attempt-event';
import type { TenantId } from '#contracts/ids';
import { API_KEY_SCOPES, type ApiKey } from '#domain/api-key';
import { FloError } from '#domain/errors';
import type { Database } from '#postgres/database';
import { listPrices } from '#postgres/price-book';
import { loadRequestUsage } from '#postgres/request-usage';
import { queryTierSavings } from '#postgres/tier-savings';
import { queryPerformance } from '#postgres/usage-performance';
import { queryUsage, readLedgerClock } from '#postgres/usage-query';
import { registerPriceRoutes } from '#services/control/routes/prices';
import { registerUsageRoutes } from '#services/control/routes/usage';
import type { Principal } from '#services/control/routes/usage-authorization';
import { attemptEventOf, EVENT_TIME_MS, seededMint } from '#test/support/attempt-events';
import { openTestLedger, type TestLedger } from '#test/support/ledger';

const mint = seededMint(3, EVENT_TIME_MS);
const acme = mint.mint('ten');
const globex = mint.mint('ten');

const keyOf = (tenantId: TenantId): ApiKey => ({
  id: mint.mint('akey'),
  tenantId,
  scopes: API_KEY_SCOPES,
  models: null,
  team: null,
  feature: null,
  tags: {},
  allowOverride: false,
  limits: {},
  expiresAtMs: null,
});
const principals: Record<string, Principal> = {
  root: { kind: 'root' },
  acme: { kind: 'api_key', apiKey: keyOf(acme) },
  globex: { kind: 'api_key', apiKey: keyOf(globex) },
};

let opened: TestLedger;
let database: Database;
let app: FastifyInstance;
let record: (events: AttemptEvent[]) => Promise<void>;

const day = (date: string) => Date.parse(`${date}Z`);
const failover = mint.mint('req');
const events = [
  attemptEventOf({
    tenantId: acme,
    startedAtMs: day('2026-03-07T12:00:00'),
    attribution: { team: 'search', tags: { env: 'prod' } },
  }),
  // 23:30 on the 8th in New York, after its clocks went forward.
  attemptEventOf({
    tenantId: acme,
    startedAtMs: day('2026-03-09T03:30:00'),
    attribution: { team: 'mail', tags: { env: 'test' } },
  }),
  attemptEventOf({ tenantId: acme, startedAtMs: day('2026-03-09T04:30:00'), attribution: { tags: {} } }),
  attemptEventOf({
    tenantId: acme,
    requestId: failover,
    startedAtMs: day('2026-03-10T00:00:00'),
    outcome: 'failed',
    errorCode: 'overloaded',
    upstreamStatus: 503,
    usage: { source: 'none', tokens: {} },
  }),
  attemptEventOf({
    tenantId: acme,
    requestId: failover,
    startedAtMs: day('2026-03-10T00:00:01'),
    attemptNumber: 2,
    step: 1,
    provider: 'anthropic',
    model: 'claude-haiku-4-5',
    servedModel: 'claude-haiku-4-5-20251001',
    usage: { source: 'provider', tokens: { input: 1_200, output: 10, cache_read: 0 }, reasoning: 4 },
  }),
  attemptEventOf({
    tenantId: acme,
    startedAtMs: day('2026-03-10T00:00:02'),
    model: 'house-model',
    servedModel: null,
  }),
  attemptEventOf({
    tenantId: acme,
    startedAtMs: day('2026-03-10T00:00:03'),
    outcome: 'cut',
    usage: { source: 'none', tokens: {} },
  }),
  attemptEventOf({
    tenantId: globex,
    startedAtMs: day('2026-03-10T00:00:04'),
    usage: { source: 'estimated', tokens: { input: 1_000, output: 100 } },
  }),
];

beforeAll(async () => {
  opened = await openTestLedger();
  database = opened.database;
  record = async (batch) => {
    await opened.ledger.recordEvents(batch.map(opened.priced));
  };
  await record(events);

  app = fastify();
  app.setErrorHandler((error, _request, reply) => {
    if (!(error instanceof FloError)) throw error;
    return reply
      .status(error.status)
      .send({ error: { code: error.code, message: error.message, param: error.param } });
  });
  const authorize = async (request: {
    headers: { authorization?: string | undefined };
  }): Promise<Principal> => {
    const principal = principals[request.headers.authorization ?? ''];
    if (principal === undefined) throw new FloError('invalid_key', 'no such key');
    return principal;
  };
  registerUsageRoutes(app, {
    authorize,
    usage: {
      query: (selection) => queryUsage(database, selection),
      queryPerformance: (selection) => queryPerformance(database, selection),
      queryTierSavings: (selection) => queryTierSavings(database, selection),
      readClock: (asOf) => readLedgerClock(database, asOf),
      loadRequest: (requestId, tenantId) => loadRequestUsage(database, requestId, tenantId),
    },
  });
  registerPriceRoutes(app, {
    authorize,
    clock: { nowMs: () => Date.now() },
    prices: { list: (query) => listPrices(database, query) },
  });
});

afterAll(async () => {
  await app.close();
  await opened.close();
});

const march = { from: '2026-03-01T00:00:00Z', to: '2026-04-01T00:00:00Z' };
const ask = async (as: string, body: Record<string, unknown>) => {
  const response = await app.inject({
    method: 'POST',
    url: '/api/v1/usage/query',
    headers: { authorization: as },
    payload: { ...march, ...body },
  });
  return { status: response.statusCode, body: response.json() };
};
const read = async (as: string, url: string) => {
  const response = await app.inject({ method: 'GET', url, headers: { authorization: as } });
  return { status: response.statusCode, body: response.json() };
};

describe('POST /api/v1/usage/query', () => {
  it('sums what a tenant used, and says what it could not price', async () => {
    const { status, body } = await ask('acme', {});
    expect(status).toBe(200);
    expect(body.data).toEqual([
      {
        requests: 6,
        attempts: 7,
        unpriced_attempts: 1,
        unknown_attempts: 1,
        tokens: {
          input: 5_200,
          cache_read: 0,
          cache_write_5m: 0,
          cache_write_1h: 0,
          cache_write_other: 0,
          input_audio: 0,
          input_image: 0,
          output: 410,
          output_audio: 0,
          output_image: 0,
          reasoning: 4,
        },
        cost: '0.00188',
        list_cost: '0.00188',
      },
    ]);
    expect(body.estimated_share).toBe(0);
    expect(Date.parse(body.watermark)).toBeLessThanOrEqual(Date.parse(body.as_of));
    expect(body.next_cursor).toBeNull();
  });

  it('groups by days of the asked time zone, across a change of its clocks', async () => {
    const { body } = await ask('acme', {
      granularity: 'day',
      time_zone: 'America/New_York',
      group_by: ['team'],
      filters: { provider: ['openai'], status: ['succeeded'], model: ['gpt-4o-mini'] },
    });
    expect(
      body.data.map((row: Record<string, unknown>) => [row['period_start'], row['team'], row['cost']]),
    ).toEqual([
      ['2026-03-07T05:00:00.000Z', 'search', '0.00021'],
      ['2026-03-08T05:00:00.000Z', 'mail', '0.00021'],
      ['2026-03-09T04:00:00.000Z', null, '0.00021'],
    ]);
  });

  it('groups and filters by tags, and null stands for no value', async () => {
    const grouped = await ask('acme', { group_by: ['tag:env'] });
    expect(
      grouped.body.data.map((row: Record<string, unknown>) => [row['tag:env'], row['attempts']]),
    ).toEqual([
      ['prod', 1],
      ['test', 1],
      [null, 5],
    ]);
    const filtered = await ask('acme', { filters: { 'tag:env': ['prod', null], team: ['search'] } });
    expect(filtered.body.data[0].attempts).toBe(1);
    const hostile = await ask('acme', { group_by: [`tag:x') as period, (select 1) --`] });
    expect(hostile.body.data).toHaveLength(1);
  });

  it('gives every row once over its pages, even while events come in', async () => {
    const query = { group_by: ['team', 'model', 'status'] };
    const whole = await ask('acme', query);
    const rows: unknown[] = [];
    let cursor: string | null = null;
    for (let pages = 0; pages < 20; pages += 1) {
      const page: { body: { data: unknown[]; next_cursor: string | null } } = await ask('acme', {
        ...query,
        limit: 2,
        ...(cursor === null ? {} : { cursor }),
      });
      rows.push(...page.body.data);
      await record([
        attemptEventOf({ tenantId: acme, startedAtMs: day('2026-03-20T00:00:00'), model: `new-${pages}` }),
      ]);
      cursor = page.body.next_cursor;
      if (cursor === null) break;
    }
    expect(rows).toEqual(whole.body.data);
    const again = await ask('acme', { ...query, as_of: whole.body.as_of });
    expect(again.body).toEqual(whole.body);
    const wall = { as_of: '2026-03-01T05:30:00+05:30' };
    expect((await ask('acme', wall)).body.as_of).toBe('2026-03-01T00:00:00.000000Z');
    expect((await ask('acme', query)).body.data.length).toBeGreaterThan(whole.body.data.length);
    const page = await ask('acme', { ...query, limit: 2 });
    const misused = await ask('acme', { group_by: ['team'], cursor: page.body.next_cursor });
    expect(misused).toMatchObject({ status: 400, body: { error: { param: 'cursor' } } });
    expect((await ask('acme', { cursor: 'garbage' })).body.error.param).toBe('cursor');
  });

  it('shows an API key its own tenant alone, and the root key all or one', async () => {
    const own = await ask('globex', { group_by: ['tenant'] });
    expect(own.body.data.map((row: Record<string, unknown>) => row['tenant'])).toEqual([globex]);
    expect(own.body.estimated_share).toBe(1);
    expect((await ask('globex', { filters: { tenant: [acme] }, group_by: ['tenant'] })).body.data).toEqual(
      [],
    );
    expect(await ask('globex', { tenant: acme })).toMatchObject({
      status: 403,
      body: { error: { param: 'tenant' } },
    });
    expect((await ask('globex', { tenant: globex })).status).toBe(200);
    const all = await ask('root', { group_by: ['tenant'] });
    expect(new Set(all.body.data.map((row: Record<string, unknown>) => row['tenant']))).toEqual(
      new Set([acme, globex]),
    );
    expect((await ask('root', { tenant: globex })).body.data[0].attempts).toBe(1);
    expect((await ask('nobody', {})).status).toBe(401);
  });

  it('answers a tenant without events with a zero', async () => {
    const { body } = await ask('root', { tenant: mint.mint('ten') });
    expect(body.data).toMatchObject([{ attempts: 0, cost: '0' }]);
    expect(body.estimated_share).toBe(0);
  });

  it.each([
    [{ to: march.from }, 'to'],
    [{ from: 'yesterday' }, 'from'],
    [{ time_zone: 'CET' }, 'time_zone'],
    [{ time_zone: '+05:00' }, 'time_zone'],
    [{ group_by: ['outcome'] }, 'group_by.0'],
    [{ group_by: ['team', 'team'] }, 'group_by'],
    [{ filters: { nope: ['a'] } }, 'filters.nope'],
    [{ filters: { team: ['\0'] } }, 'filters.team.0'],
    [{ granularity: 'week' }, 'granularity'],
    [{ cost_basis: 'free' }, 'cost_basis'],
    [{ limit: 0 }, 'limit'],
    [{ grouped_by: [] }, 'grouped_by'],
  ])('refuses %j and names the field', async (body, param) => {
    const response = await ask('root', body);
    expect(response.status).toBe(400);
    expect(response.body.error).toMatchObject({ code: 'invalid_request' });
    expect(response.body.error.param).toBe(param);
  });
});

describe('GET /api/v1/usage/requests/{request_id}', () => {
  it('explains every charge of every attempt', async () => {
    const { status, body } = await read('acme', `/api/v1/usage/requests/${failover}`);
    expect(status).toBe(200);
    expect(body).toMatchObject({ request_id: failover, tenant: acme, cost: '0.00125', unpriced_attempts: 0 });
    expect(body.attempts).toMatchObject([
      {
        attempt: 1,
        outcome: 'failed',
        error_code: 'overloaded',
        pricing: 'priced',
        cost: '0',
        charges: [],
        tokens: {},
      },
      {
        attempt: 2,
        outcome: 'succeeded',
        tokens: { input: 1_200, output: 10, cache_read: 0, reasoning: 4 },
        cost: '0.00125',
        charges: [
          {
            component: 'input',
            quantity: 1_200,
            rate: '1',
            amount: '0.0012',
            formula: '1200 × 1 USD per million = 0.0012 USD',
            price: {
              model: 'claude-haiku-4-5-YYYYMMDD',
              effective_to: null,
              source: '@pydantic/genai-prices',
            },
          },
          { component: 'output', formula: '10 × 5 USD per million = 0.00005 USD' },
        ],
      },
    ]);
    expect(body.attempts[1].tokens).not.toHaveProperty('input_audio');
  });

  it("does not know another tenant's request", async () => {
    expect((await read('globex', `/api/v1/usage/requests/${failover}`)).status).toBe(404);
    expect((await read('root', `/api/v1/usage/requests/${failover}`)).status).toBe(200);
    expect((await read('root', `/api/v1/usage/requests/${mint.mint('req')}`)).status).toBe(404);
    expect((await read('root', '/api/v1/usage/requests/nonsense')).body.error.param).toBe('request_id');
  });
});

describe('GET /api/v1/prices', () => {
  it('lists the rates in force with where they come from', async () => {
    const { body } = await read('acme', '/api/v1/prices?provider=openai&model=gpt-4o-mini&tier=standard');
    expect(body.data.map((price: Record<string, unknown>) => [price['component'], price['rate']])).toEqual([
      ['cache_read', '0.075'],
      ['file_search', '2.5'],
      ['input', '0.15'],
      ['output', '0.6'],
      ['web_search', '10'],
    ]);
    expect(body.data[0]).toMatchObject({
      provider: 'openai',
      tier: 'standard',
      unit: 'usd_per_million_tokens',
      effective_to: null,
      source: '@pydantic/genai-prices',
    });
    expect(body).toMatchObject({ has_more: false, next_cursor: null });
  });

  it('pages through all of them', async () => {
    const seen = new Set<string>();
    let url = '/api/v1/prices?limit=500';
    for (let pages = 0; pages < 20; pages += 1) {
      const { body } = await read('root', url);
      for (const price of body.data) {
        seen.add(price.id);
      }
      if (!body.has_more) break;
      url = `/api/v1/prices?limit=500&cursor=${body.next_cursor}`;
    }
    const inForce = await listPrices(database, { atMs: Date.now(), limit: 100_000 });
    expect(seen.size).toBe(inForce.length);
    expect((await read('root', '/api/v1/prices?cursor=x')).status).toBe(400);
    expect((await read('root', '/api/v1/prices?limit=many')).status).toBe(400);
  });
});
