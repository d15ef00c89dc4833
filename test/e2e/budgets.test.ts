/** A budget under roles as processes of their own, which are killed without warning while it is used up. */
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { decodeUsd } from '#domain/money';
import { expireLeases } from '#postgres/budget-leases';
import { openDatabase, type Database } from '#postgres/database';
import type { StartedProcess } from '#test/support/flo2-process';
import { openRoleEnvironment, type RoleEnvironment } from '#test/support/role-environment';
import { callControl, createTenant, type TestTenant } from '#test/support/tenant';

const ROLES = ['control', 'ingress', 'worker', 'metering'] as const;
type Role = (typeof ROLES)[number];

const SETTLE_MS = 60_000;
const MINUTE_MS = 60_000;

let surroundings: RoleEnvironment;
let pool: Database;
const roles = new Map<Role, StartedProcess>();

const urlOf = (role: Role): string => roles.get(role)?.url ?? '';

const startRoles = async (names: readonly Role[]): Promise<void> => {
  await Promise.all(names.map(async (name) => roles.set(name, await surroundings.start(name))));
};
const killRoles = async (names: readonly Role[]): Promise<void> => {
  await Promise.all(
    names.map(async (name) => {
      roles.get(name)?.kill('SIGKILL');
      await roles.get(name)?.exited;
    }),
  );
};

beforeAll(async () => {
  surroundings = await openRoleEnvironment({ FLO2_REQUEST_TIMEOUT_MS: '30000' });
  const { databaseUrl } = surroundings;
  pool = openDatabase({ url: databaseUrl, poolMax: 1, applicationName: 'test', onIdleError: () => {} });
  await startRoles(ROLES);
}, 120_000);

afterAll(async () => {
  await pool.close();
  await surroundings.close();
});

const control = () => ({ url: urlOf('control'), adminKey: surroundings.adminKey });

const createBudgeted = async (
  budget: Record<string, unknown>,
): Promise<{ tenant: TestTenant; budgetId: string }> => {
  const tenant = await createTenant(control(), { simulatorUrl: surroundings.simulator.url });
  const path = `/tenants/${tenant.tenantId}/budgets`;
  const created = (await callControl(control(), 'POST', path, { period: 'month', ...budget })) as {
    id: string;
  };
  return { tenant, budgetId: created.id };
};

type Answer = { status: number; code: string | null; retry: string | null; retryAfterSeconds: number };

/** Up to 500 tokens at 17 USD for a million, as the dearest tier has it: a cent for each of three attempts. */
const send = async ({ apiKey }: TestTenant, model = 'openai/gpt-4o'): Promise<Answer> => {
  try {
    const answer = await fetch(`${urlOf('ingress')}/v1/chat/completions`, {
      method: 'POST',
      headers: { authorization: `Bearer ${apiKey}`, 'content-type': 'application/json' },
      body: JSON.stringify({ model, max_tokens: 500, messages: [{ role: 'user', content: 'spend' }] }),
    });
    const body = (await answer.json()) as { error?: { code: string } };
    return {
      status: answer.status,
      code: body.error?.code ?? null,
      retry: answer.headers.get('x-should-retry'),
      retryAfterSeconds: Number(answer.headers.get('retry-after')),
    };
  } catch {
    return { status: 0, code: 'broken', retry: null, retryAfterSeconds: 0 };
  }
};

/** As an official SDK does it: whom the ingress had no place for comes again when it was told to. */
const sendUntilLetIn = async (tenant: TestTenant): Promise<Answer> => {
  for (;;) {
    const answer = await send(tenant);
    if (answer.code !== 'unavailable') return answer;
    await sleep(answer.retryAfterSeconds * 1_000);
  }
};

const standingOf = async (budgetId: string) => {
  const { rows } = await surroundings.ledger.query<{
    used: string;
    spent: string;
    leased: string;
    open: string;
  }>(
    `select sum(spent_pico_usd) as spent, sum(spent_pico_usd + uncertain_pico_usd) as used,
            sum(leased_pico_usd) as leased,
            (select coalesce(sum(open_pico_usd), 0) from budget_lease where budget_id = $1) as open
     from budget_window where budget_id = $1`,
    [budgetId],
  );
  const [row] = rows;
  if (row === undefined) throw new Error('an aggregate has one row');
  return {
    spent: BigInt(row.spent),
    used: BigInt(row.used),
    leased: BigInt(row.leased),
    open: BigInt(row.open),
  };
};

const ledgerCostOf = async ({ tenantId }: TestTenant): Promise<bigint> => {
  const { rows } = await surroundings.ledger.query<{ cost: string }>(
    'select coalesce(sum(cost_pico_usd), 0) as cost from usage_entry where tenant_id = $1',
    [tenantId],
  );
  return BigInt(rows[0]?.cost ?? 0);
};

/** Its attempts, as the provider saw them. */
const callsOf = ({ providerSecrets }: TestTenant) =>
  surroundings.simulator.log.attempts.filter(({ credential }) => providerSecrets.includes(credential ?? ''));

/** Resolves when metering has recorded every call of the tenant that the provider saw. */
const recordedAll = (tenant: TestTenant) =>
  vi.waitFor(
    async () => {
      const calls = callsOf(tenant);
      const { rows } = await surroundings.ledger.query<{ attempts: string }>(
        'select count(distinct attempt_id) as attempts from usage_event where tenant_id = $1',
        [tenant.tenantId],
      );
      expect(Number(rows[0]?.attempts)).toBeGreaterThanOrEqual(calls.length);
      return calls.length;
    },
    { timeout: SETTLE_MS, interval: 100 },
  );

describe('a budget', () => {
  it(
    'of one dollar is not overshot by 1,000 requests at once, and whoever comes after is told when it resets',
    { timeout: 120_000 },
    async () => {
      const { tenant, budgetId } = await createBudgeted({ limit: '1' });
      surroundings.simulator.setBehaviour({
        match: { model: 'gpt-4o' },
        behaviour: { tokens: { input: 30, output: 480 } },
      });
      const answers = await Promise.all(Array.from({ length: 1_000 }, () => sendUntilLetIn(tenant)));
      const accepted = answers.filter(({ status }) => status === 200).length;
      const refused = answers.filter(({ code }) => code === 'insufficient_quota');
      expect(accepted + refused.length).toBe(1_000);
      expect(accepted).toBeGreaterThan(30);
      expect(refused.length).toBeGreaterThan(500);
      expect(new Set(refused.map(({ status }) => status))).toEqual(new Set([429]));

      expect(await recordedAll(tenant)).toBe(accepted);
      const standing = await standingOf(budgetId);
      expect(standing.spent).toBe(await ledgerCostOf(tenant));
      expect(standing.used).toBeLessThanOrEqual(decodeUsd('1'));

      // A few at a time, then one after another, it can be used up to what one request might cost.
      let wave: Answer[];
      do {
        wave = await Promise.all(Array.from({ length: 20 }, () => send(tenant)));
        await recordedAll(tenant);
      } while (wave.every(({ status }) => status === 200));
      let last = await send(tenant);
      while (last.status === 200) {
        await recordedAll(tenant);
        last = await send(tenant);
      }
      expect(last).toMatchObject({ status: 429, code: 'insufficient_quota', retry: 'false' });
      expect((await standingOf(budgetId)).used).toBeGreaterThan(decodeUsd('0.97'));
      await vi.waitFor(
        async () => expect(await standingOf(budgetId)).toMatchObject({ leased: 0n, open: 0n }),
        { timeout: SETTLE_MS, interval: 100 },
      );
    },
  );

  it(
    'holds nothing back for ever when every process is killed, and gives nothing back before its time',
    { timeout: 120_000 },
    async () => {
      // Room for what dies, and for what comes after.
      const { tenant, budgetId } = await createBudgeted({ limit: '5' });
      surroundings.simulator.clearBehaviours();
      surroundings.simulator.setBehaviour({ match: { model: 'gpt-4o' }, behaviour: { latencyMs: 1_000 } });
      const answers = Promise.all(Array.from({ length: 40 }, () => send(tenant)));
      await vi.waitFor(() => expect(callsOf(tenant).length).toBeGreaterThan(10), {
        timeout: SETTLE_MS,
        interval: 20,
      });
      await killRoles(ROLES);
      await answers;
      const killed = await standingOf(budgetId);
      expect(killed.open).toBeGreaterThan(0n);
      expect(killed.leased).toBe(killed.open);

      await startRoles(ROLES);
      surroundings.simulator.clearBehaviours();
      // The new processes serve within what is left, beside the holds of the dead.
      expect((await send(tenant)).status).toBe(200);
      await vi.waitFor(async () => expect(await ledgerCostOf(tenant)).toBeGreaterThan(0n), {
        timeout: SETTLE_MS,
        interval: 100,
      });
      expect(await expireLeases(pool, Date.now())).toEqual([]);
      const expired = await expireLeases(pool, Date.now() + 2 * MINUTE_MS);
      expect(expired.length).toBeGreaterThanOrEqual(1);
      const standing = await standingOf(budgetId);
      expect(standing).toMatchObject({ leased: 0n, open: 0n, spent: await ledgerCostOf(tenant) });
    },
  );

  it('gives back what a request held whose attempts called nobody', { timeout: 60_000 }, async () => {
    const { tenant, budgetId } = await createBudgeted({ limit: '1' });
    const [keyId] = tenant.providerKeyIds;
    // The worker finds the key gone after the request was admitted with it.
    await surroundings.ledger.query(`update provider_key set sealed = '\\x00' where id = $1`, [keyId]);
    expect((await send(tenant)).status).toBeGreaterThanOrEqual(500);
    await vi.waitFor(
      async () => expect(await standingOf(budgetId)).toMatchObject({ leased: 0n, open: 0n, used: 0n }),
      { timeout: SETTLE_MS, interval: 100 },
    );
  });
});
