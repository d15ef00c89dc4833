/** Lines that run by their provider's own batch API: against the simulated ones, with what can go wrong there. */
import { Client } from 'pg';
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import type { ProviderId } from '#contracts/vocabulary';
import { encodeUsd } from '#domain/money';
import { simulatedBaseUrl } from '#test/simulators/base-urls';
import { BatchCaller, sortedStatuses, statusesOf } from '#test/support/native-batches';
import { startStack, countedTokens, type Stack } from '#test/support/stack';
import { callControl, type TestTenant } from '#test/support/tenant';

let stack: Stack;
let database: Client;

beforeAll(async () => {
  stack = await startStack();
  database = new Client({ connectionString: stack.databaseUrl });
  await database.connect();
});
afterEach(() => stack.simulator.clearBehaviours());
afterAll(async () => {
  await database.end();
  await stack.close();
});

type Caller = BatchCaller & { tenant: TestTenant; secret: string };

/** A tenant of its own with one key, so that no test's rules or breakers are another's. */
const callerOf = async (provider: ProviderId): Promise<Caller> => {
  const tenant = await stack.createTenant({ providerKeys: [{ provider }] });
  const [secret = ''] = tenant.providerSecrets;
  return Object.assign(new BatchCaller(stack.flo2.url, tenant.apiKey), { tenant, secret });
};

const batchesOf = ({ secret }: Caller) =>
  stack.simulator.batches.all().filter(({ credential }) => credential === secret);
const batchLinesOf = ({ secret }: Caller) =>
  stack.simulator.log.batchLines.filter(({ credential }) => credential === secret);
const callsOf = ({ secret }: Caller) =>
  stack.simulator.log.attempts.filter(({ credential }) => credential === secret);

/** The events of a tenant, once there are so many. */
const eventsOf = ({ tenant }: Caller, count: number) =>
  vi.waitFor(
    async () => {
      const { rows } = await database.query<{
        request_id: string;
        outcome: string;
        error_code: string | null;
        tier: string;
        cost: string | null;
        pricing: string;
      }>(
        `select distinct on (attempt_id) request_id, outcome, error_code, pricing, price_tier as tier, cost_pico_usd as cost
         from usage_event where tenant_id = $1 order by attempt_id, revision desc`,
        [tenant.tenantId],
      );
      if (rows.length < count) throw new Error(`${rows.length} of ${count} events`);
      return rows;
    },
    { timeout: 15_000, interval: 50 },
  );

const nativeOf = async (batchId: string) => {
  const { rows } = await database.query<{ id: string; state: string; is_abandoned: boolean }>(
    'select id, state, is_abandoned from native_batch where batch_id = $1 order by id',
    [batchId],
  );
  return rows;
};

const awaitProviderBatch = (caller: Caller, phase: string) =>
  vi.waitFor(
    () => {
      const [batch] = batchesOf(caller);
      if (batch?.phase !== phase) throw new Error(`it is ${batch?.phase ?? 'not there'}`);
      return batch;
    },
    { timeout: 15_000, interval: 20 },
  );

const texts = (count: number): string[] => Array.from({ length: count }, (_, index) => `Line ${index}`);

const MODELS = [
  ['openai', 'openai/gpt-4o-mini'],
  ['groq', 'groq/llama-3.1-8b-instant'],
  ['anthropic', 'anthropic/claude-haiku-4-5'],
  ['google', 'google/gemini-2.5-flash'],
  ['mistral', 'mistral/mistral-small-latest'],
] as const satisfies readonly (readonly [ProviderId, string])[];

describe.each(MODELS)('the batch API of %s', (provider, model) => {
  it('runs lines at half the price of the queue, each once and each in the ledger', async () => {
    const caller = await callerOf(provider);
    const queued = await caller.submit({ model, texts: texts(3) });
    await caller.awaitStatus(queued.id, 'completed');
    expect(batchesOf(caller)).toHaveLength(0);
    expect(callsOf(caller)).toHaveLength(3);
    const dear = await eventsOf(caller, 3);

    const native = await caller.submit({ model, texts: texts(3), mode: 'auto' });
    const batch = await caller.awaitStatus(native.id, 'completed');
    expect(batch.request_counts).toEqual({ total: 3, completed: 3, failed: 0 });
    const results = await caller.results(batch);
    expect(statusesOf(results)).toEqual({ 'line-0': 200, 'line-1': 200, 'line-2': 200 });
    expect(callsOf(caller)).toHaveLength(3);
    // Where the provider lets its caller delete a batch it is gone by now; what it ran is told by its log.
    expect(new Set(batchLinesOf(caller).map(({ batch: { id } }) => id)).size).toBe(1);
    expect(batchLinesOf(caller)).toHaveLength(3);

    const all = await eventsOf(caller, 6);
    const cheap = all.filter(({ tier }) => tier === 'batch');
    expect(cheap.map(({ outcome, pricing }) => [outcome, pricing])).toEqual(
      Array.from({ length: 3 }, () => ['succeeded', 'priced']),
    );
    const sum = (rows: typeof all): bigint => rows.reduce((total, { cost }) => total + BigInt(cost ?? 0), 0n);
    expect(sum(cheap)).toBeGreaterThan(0n);
    expect(sum(cheap) * 2n).toBe(sum(dear));
    const from = new Date(Date.now() - 3_600_000).toISOString();
    const to = new Date(Date.now() + 3_600_000).toISOString();
    const { tenantId } = caller.tenant;
    const savings = await callControl(stack.flo2, 'POST', '/usage/savings', { tenant: tenantId, from, to });
    expect(savings).toMatchObject({
      data: [{ tier: 'batch', attempts: 3, cost: encodeUsd(sum(cheap)), saving: encodeUsd(sum(cheap)) }],
    });

    // The ledger's tokens are those the provider has charged, line by line.
    for (const { request_id: requestId } of cheap) {
      const [attempt] = await stack.attemptsOf(requestId, 1);
      const charged = batchLinesOf(caller).find(
        ({ batch: { customId } }) => customId.slice(4) === requestId.slice(4),
      );
      expect(countedTokens(attempt?.tokens)).toMatchObject(
        countedTokens({ input: charged?.tokens.input, output: charged?.tokens.output }),
      );
    }
  });
});

describe('which way a batch goes', () => {
  const MODEL = 'openai/gpt-4o-mini';

  it('is said by the batch, else by its tenant', async () => {
    const caller = await callerOf('openai');
    await callControl(stack.flo2, 'PATCH', `/tenants/${caller.tenant.tenantId}`, { batch_mode: 'auto' });
    await vi.waitFor(async () => {
      const { id } = await caller.submit({ model: MODEL, texts: ['by the tenant'] });
      await caller.awaitStatus(id, 'completed');
      expect(batchesOf(caller).length).toBeGreaterThan(0);
    }, 20_000);
    const before = batchesOf(caller).length;
    const { id } = await caller.submit({ model: MODEL, texts: ['by the batch'], mode: 'queued' });
    await caller.awaitStatus(id, 'completed');
    expect(batchesOf(caller)).toHaveLength(before);
  });

  it('is the queue where there is not a day’s time, and the provider’s where that is asked for', async () => {
    const caller = await callerOf('openai');
    const short = await caller.submit({ model: MODEL, texts: ['short'], mode: 'auto', window: '23h' });
    await caller.awaitStatus(short.id, 'completed');
    expect(batchesOf(caller)).toHaveLength(0);
    const asked = await caller.submit({ model: MODEL, texts: ['asked'], mode: 'native', window: '23h' });
    await caller.awaitStatus(asked.id, 'completed');
    expect(batchesOf(caller)).toHaveLength(1);
  });

  it('refuses a mode that there is not', async () => {
    const caller = await callerOf('openai');
    await expect(
      caller.submit({ model: MODEL, texts: ['x'], mode: 'cheap' as 'auto' }),
    ).rejects.toMatchObject({ status: 400, param: 'x-flo2-batch-mode' });
  });
});

describe('what goes wrong at a provider', () => {
  const MODEL = 'openai/gpt-4o-mini';
  const hold = (caller: Caller, where: 'validating' | 'in_progress' = 'in_progress'): void =>
    stack.simulator.setBehaviour({
      match: { operation: 'batch_create', key: caller.secret },
      behaviour: { hold: where },
    });
  const failing = (caller: Caller, operation: 'batch_get' | 'batch_cancel' | 'batch_list', times?: number) =>
    stack.simulator.setBehaviour({
      match: { operation, key: caller.secret },
      behaviour: { status: 500 },
      ...(times !== undefined && { times }),
    });
  /** As if the time had come. */
  const turnClock = (batchId: string, column: 'escalate_at' | 'abandon_at') =>
    database.query(`update native_batch set ${column} = now(), next_look_at = now() where batch_id = $1`, [
      batchId,
    ]);

  it('says why it waits, and shows partial failure line by line: another try where one helps', async () => {
    const caller = await callerOf('openai');
    hold(caller);
    const { id } = await caller.submit({ model: MODEL, texts: texts(3), mode: 'native' });
    await awaitProviderBatch(caller, 'in_progress');
    await vi.waitFor(
      async () =>
        expect(await caller.client.batches.retrieve(id)).toMatchObject({
          in_progress_count: 3,
          waiting_on: { code: 'provider_batch', model: 'gpt-4o-mini' },
        }),
      { timeout: 15_000 },
    );
    const line = (status: number) =>
      stack.simulator.setBehaviour({
        match: { operation: 'batch_line', key: caller.secret },
        behaviour: { status },
        times: 1,
      });
    line(500);
    line(400);
    await stack.simulator.batches.advance();
    const batch = await caller.awaitStatus(id, 'completed');
    const statuses = sortedStatuses(await caller.results(batch));
    expect(statuses).toEqual(['200', '200', '400']);
    expect(callsOf(caller)).toHaveLength(1);
    const events = await eventsOf(caller, 4);
    expect(events.map(({ tier, outcome }) => `${tier} ${outcome}`).toSorted()).toEqual([
      'batch succeeded',
      'standard failed',
      'standard failed',
      'standard succeeded',
    ]);
    expect(events.every(({ pricing }) => pricing === 'priced')).toBe(true);
  });

  it('queues what an expired batch has not run', async () => {
    const caller = await callerOf('openai');
    hold(caller);
    const { id } = await caller.submit({ model: MODEL, texts: texts(5), mode: 'native' });
    await awaitProviderBatch(caller, 'in_progress');
    await stack.simulator.batches.advance({ lines: 2 });
    stack.simulator.batches.expire();
    const batch = await caller.awaitStatus(id, 'completed');
    expect(batch.request_counts).toEqual({ total: 5, completed: 5, failed: 0 });
    expect(batchLinesOf(caller)).toHaveLength(2);
    expect(callsOf(caller)).toHaveLength(3);
    const events = await eventsOf(caller, 8);
    expect(events.filter(({ error_code }) => error_code === 'timeout')).toHaveLength(3);
    expect(events.filter(({ outcome }) => outcome === 'succeeded')).toHaveLength(5);
  });

  it('queues all of a batch that the provider turns down', async () => {
    const caller = await callerOf('openai');
    stack.simulator.setBehaviour({
      match: { operation: 'batch_validation', key: caller.secret },
      behaviour: { status: 429, limit: 'tokens' },
    });
    const { id } = await caller.submit({ model: MODEL, texts: texts(2), mode: 'native' });
    const batch = await caller.awaitStatus(id, 'completed');
    expect(batch.request_counts).toEqual({ total: 2, completed: 2, failed: 0 });
    expect(batchLinesOf(caller)).toHaveLength(0);
    expect(callsOf(caller)).toHaveLength(2);
  });

  it('goes on after looks that fail and results that break off', async () => {
    const caller = await callerOf('openai');
    failing(caller, 'batch_get', 2);
    stack.simulator.setBehaviour({
      match: { operation: 'download', key: caller.secret },
      behaviour: { cutAfter: 1_000 },
      times: 1,
    });
    const { id } = await caller.submit({ model: MODEL, texts: texts(20), mode: 'native' });
    const batch = await caller.awaitStatus(id, 'completed');
    expect(batch.request_counts).toEqual({ total: 20, completed: 20, failed: 0 });
    expect(batchesOf(caller)).toHaveLength(1);
    expect(callsOf(caller)).toHaveLength(0);
    expect(await eventsOf(caller, 20)).toHaveLength(20);
  });

  it('takes over a batch that was made though no answer came, also where it cannot be looked for at once', async () => {
    const caller = await callerOf('openai');
    stack.simulator.setBehaviour({
      match: { operation: 'batch_create', key: caller.secret },
      behaviour: { loseAnswer: true },
      times: 1,
    });
    failing(caller, 'batch_list', 1);
    const { id } = await caller.submit({ model: MODEL, texts: texts(4), mode: 'native' });
    await caller.awaitStatus(id, 'completed');
    expect(batchesOf(caller)).toHaveLength(1);
    expect(batchLinesOf(caller)).toHaveLength(4);
    expect(callsOf(caller)).toHaveLength(0);
  });

  it('cancels at the provider when the caller cancels, and keeps what was done', async () => {
    const caller = await callerOf('openai');
    hold(caller);
    const { id } = await caller.submit({ model: MODEL, texts: texts(3), mode: 'native' });
    await awaitProviderBatch(caller, 'in_progress');
    await stack.simulator.batches.advance({ lines: 1 });
    await caller.client.batches.cancel(id);
    await vi.waitFor(() => expect(batchesOf(caller)[0]?.cancellingAtMs).not.toBeNull(), { timeout: 10_000 });
    await stack.simulator.batches.advance({ lines: 0 });
    const batch = await caller.awaitStatus(id, 'cancelled');
    expect(batch.request_counts).toMatchObject({ total: 3, completed: 1 });
    expect(sortedStatuses(await caller.results(batch))).toEqual([
      '200',
      'batch_cancelled',
      'batch_cancelled',
    ]);
    expect(callsOf(caller)).toHaveLength(0);
  });

  it('near the deadline cancels, takes what is done and queues only the rest: nothing is charged twice', async () => {
    const caller = await callerOf('openai');
    hold(caller);
    const { id } = await caller.submit({ model: MODEL, texts: texts(5), mode: 'native' });
    await awaitProviderBatch(caller, 'in_progress');
    await stack.simulator.batches.advance({ lines: 2 });
    await turnClock(id, 'escalate_at');
    await vi.waitFor(() => expect(batchesOf(caller)[0]?.cancellingAtMs).not.toBeNull(), { timeout: 10_000 });
    expect(callsOf(caller)).toHaveLength(0);
    await stack.simulator.batches.advance({ lines: 0 });
    const batch = await caller.awaitStatus(id, 'completed');
    expect(batch.request_counts).toEqual({ total: 5, completed: 5, failed: 0 });
    expect(batchLinesOf(caller)).toHaveLength(2);
    expect(callsOf(caller)).toHaveLength(3);
    const { rows } = await database.query(
      'select 1 from work_item where batch_id = $1 and possible_duplicate_charge',
      [id],
    );
    expect(rows).toHaveLength(0);
  });

  it('repeats, flagged, what it cannot know near the deadline, and believes the provider later', async () => {
    const caller = await callerOf('openai');
    hold(caller);
    const { id } = await caller.submit({ model: MODEL, texts: texts(2), mode: 'native' });
    await awaitProviderBatch(caller, 'in_progress');
    failing(caller, 'batch_get');
    failing(caller, 'batch_cancel');
    await turnClock(id, 'abandon_at');
    await caller.awaitStatus(id, 'completed');
    expect(callsOf(caller)).toHaveLength(2);
    const { rows } = await database.query(
      'select 1 from work_item where batch_id = $1 and possible_duplicate_charge',
      [id],
    );
    expect(rows).toHaveLength(2);
    const presumed = await eventsOf(caller, 4);
    expect(presumed.filter(({ outcome }) => outcome === 'outcome_unknown')).toHaveLength(2);

    stack.simulator.clearBehaviours();
    await stack.simulator.batches.advance();
    await database.query('update native_batch set next_look_at = now() where batch_id = $1', [id]);
    await vi.waitFor(async () => expect((await nativeOf(id))[0]?.state).toBe('settled'), { timeout: 15_000 });
    const known = await vi.waitFor(
      async () => {
        const events = await eventsOf(caller, 4);
        expect(events.every(({ outcome }) => outcome === 'succeeded')).toBe(true);
        return events;
      },
      { timeout: 15_000, interval: 50 },
    );
    expect(known.map(({ tier }) => tier).toSorted()).toEqual(['batch', 'batch', 'standard', 'standard']);
  });

  it('gives up on a batch at once when its key is gone, and says what may be charged twice', async () => {
    const caller = await callerOf('openai');
    hold(caller);
    const { id } = await caller.submit({ model: MODEL, texts: texts(2), mode: 'native' });
    await awaitProviderBatch(caller, 'in_progress');
    const { tenantId, providerKeyIds } = caller.tenant;
    const other = await stack.createTenant({ providerKeys: [{ provider: 'openai' }] });
    await callControl(stack.flo2, 'POST', `/tenants/${tenantId}/provider-keys`, {
      provider: 'openai',
      name: 'another',
      secret: other.providerSecrets[0],
      base_url: simulatedBaseUrl(stack.simulator.url, 'openai'),
    });
    await callControl(stack.flo2, 'DELETE', `/tenants/${tenantId}/provider-keys/${providerKeyIds[0] ?? ''}`);
    const batch = await caller.awaitStatus(id, 'completed');
    expect(batch.request_counts).toEqual({ total: 2, completed: 2, failed: 0 });
    const events = await eventsOf(caller, 4);
    expect(events.map(({ outcome }) => outcome).toSorted()).toEqual([
      'outcome_unknown',
      'outcome_unknown',
      'succeeded',
      'succeeded',
    ]);
    expect((await nativeOf(id))[0]).toMatchObject({ is_abandoned: true });
  });
});
