import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { AttemptEvent } from '#contracts/attempt-event';
import type { TenantId } from '#contracts/ids';
import { NegotiatedRates } from '#domain/negotiated-rate';
import type { Database } from '#postgres/database';
import { loadNegotiatedRates } from '#postgres/negotiated-rates';
import { attemptEventOf, EVENT_TIME_MS, seededMint, seededRandom } from '#test/support/attempt-events';
import { openControlPlane, type Json, type TestControlPlane } from '#test/support/control-plane';
import { openTestLedger, type TestLedger } from '#test/support/ledger';

let control: TestControlPlane;
let opened: TestLedger;
let database: Database;
let rates = new NegotiatedRates([]);
let tenant: TenantId;

beforeAll(async () => {
  opened = await openTestLedger({ rates: () => rates });
  database = opened.database;
  control = await openControlPlane({ databaseUrl: opened.url });
  tenant = String((await control.call('POST', '/tenants', { name: 'acme' })).json['id']) as TenantId;
});

afterAll(async () => {
  await control.close();
  await opened.close();
});

const agree = async (body: Json, status = 201): Promise<Json> => {
  const answer = await control.call('POST', `/tenants/${tenant}/rates`, {
    provider: 'openai',
    model: 'gpt-4o-mini',
    kind: 'absolute',
    value: '0.1',
    effective_from: '2026-01-01T00:00:00Z',
    ...body,
  });
  expect(answer.status, answer.text).toBe(status);
  rates = await loadNegotiatedRates(database);
  return answer.json;
};

const chargesOf = async ({ attemptId }: AttemptEvent) => {
  const charges = await database.pool.query<Json>(
    `select component, quantity::int, list_rate_pico_usd::int as list, rate_pico_usd::int as rate, rate_id as rule,
            volume_from::int as volume from usage_charge where attempt_id = $1 order by number`,
    [attemptId],
  );
  return charges.rows;
};

describe('a negotiated rate', () => {
  it('is charged instead of the listed one, which stays beside it with the rule', async () => {
    const rule = await agree({ component: 'input', value: '0.12' });
    const event = attemptEventOf({ tenantId: tenant });
    const pricing = opened.priced(event);
    await opened.ledger.recordEvents([pricing]);
    expect(await chargesOf(event)).toEqual([
      { component: 'input', quantity: 1_000, list: 150_000, rate: 120_000, rule: rule['id'], volume: null },
      { component: 'output', quantity: 100, list: 600_000, rate: 600_000, rule: null, volume: null },
    ]);
    expect(pricing.pricing).toMatchObject({ costPicoUsd: 180_000_000n, listCostPicoUsd: 210_000_000n });
  });

  it('never overlaps another of the same aim, which the database itself refuses', async () => {
    const until = { model: 'gpt-4o', effective_to: '2026-03-01T00:00:00Z' };
    const rule = await agree(until);
    await agree({ model: 'gpt-4o', effective_from: '2026-02-01T00:00:00Z' }, 409);
    await agree({ model: 'gpt-4o', effective_from: '2026-03-01T00:00:00Z' });
    await agree({ model: 'gpt-4o', component: 'output', effective_from: '2026-02-01T00:00:00Z' });
    const longer = await control.call('PATCH', `/tenants/${tenant}/rates/${String(rule['id'])}`, {
      effective_to: null,
    });
    expect(longer.status).toBe(409);
    await expect(
      database.pool.query(
        `insert into negotiated_rate (id, tenant_id, provider, model, kind, value, effective_from)
         select 'rate_copy', tenant_id, provider, model, kind, value, effective_from from negotiated_rate where id = $1`,
        [rule['id']],
      ),
    ).rejects.toThrow('negotiated_rate_no_overlap');
  });

  it.each([
    [{ kind: 'discount', value: '101' }, 'value'],
    [{ value: '-1' }, 'value'],
    [{ value: '1.0000001' }, 'value'],
    [{ effective_to: '2025-01-01T00:00:00Z' }, 'effective_to'],
    [{ provider_key: seededMint(8, EVENT_TIME_MS).mint('pkey') }, 'provider_key'],
    [{ volume: { period: 'month', tiers: [] } }, 'volume.tiers'],
    [{ colour: 'red' }, 'colour'],
  ])('is refused as %j', async (body, param) => {
    expect((await agree(body, 400))['error']).toMatchObject({ param });
  });

  it('ends when it is deleted, and is gone where it had not begun', async () => {
    const begun = await agree({ model: 'ended' });
    const future = await agree({ model: 'future', effective_from: '2100-01-01T00:00:00Z' });
    for (const { id } of [begun, future]) {
      expect((await control.call('DELETE', `/tenants/${tenant}/rates/${String(id)}`)).status).toBe(204);
    }
    const ended = await control.call('GET', `/tenants/${tenant}/rates/${String(begun['id'])}`);
    expect(Date.parse(String(ended.json['effective_to']))).toBeLessThanOrEqual(Date.now() + 1_000);
    expect((await control.call('GET', `/tenants/${tenant}/rates/${String(future['id'])}`)).status).toBe(404);
  });

  it('uses a committed volume up exactly, whatever comes at the same time or again', async () => {
    const model = 'gpt-4.1-mini';
    const rule = await agree({
      model,
      value: '0.4',
      volume: {
        period: 'month',
        tiers: [
          { from: '50000', value: '0.3' },
          { from: '90000', value: '0.2' },
        ],
      },
    });
    const random = seededRandom(5);
    const events = Array.from({ length: 200 }, () =>
      attemptEventOf({
        tenantId: tenant,
        model,
        servedModel: null,
        usage: {
          source: 'provider',
          tokens: { input: Math.floor(random() * 900), output: Math.floor(random() * 200) },
        },
      }),
    );
    const used = events.reduce(
      (sum, { usage }) => sum + (usage.tokens.input ?? 0) + (usage.tokens.output ?? 0),
      0,
    );
    const batches = Array.from({ length: 40 }, (_, index) => events.slice(index * 5, index * 5 + 5));
    await Promise.all(
      [...batches, ...batches.slice(0, 20)].map((batch) =>
        opened.ledger.recordEvents(batch.map(opened.priced)),
      ),
    );
    const counted = await database.pool.query<{ quantity: string; start: Date }>(
      'select quantity, period_start as start from negotiated_volume where rate_id = $1',
      [rule['id']],
    );
    expect(counted.rows).toEqual([{ quantity: String(used), start: new Date('2026-06-01T00:00:00Z') }]);
    const charges = await database.pool.query<{ from: number; quantity: number; rate: number }>(
      `select volume_from::int as "from", quantity::int, rate_pico_usd::int as rate
       from usage_charge where rate_id = $1 order by volume_from`,
      [rule['id']],
    );
    let next = 0;
    for (const charge of charges.rows) {
      expect(charge.from).toBe(next);
      next += charge.quantity;
      expect(charge.rate).toBe(charge.from < 50_000 ? 400_000 : charge.from < 90_000 ? 300_000 : 200_000);
    }
    expect(next).toBe(used);
  });
});
