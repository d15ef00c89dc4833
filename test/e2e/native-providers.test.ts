/** Every provider's own batch API behind flo2's batches: what was not answered there is queued, and nothing twice. */
import { Client } from 'pg';
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import { TOKEN_CLASSES } from '#contracts/usage';
import type { ProviderId } from '#contracts/vocabulary';
import type { Behaviour } from '#test/simulators/behaviour';
import type { SimulatedBatch } from '#test/simulators/batches/simulated-batch';
import type { Operation } from '#test/simulators/provider';
import { BatchCaller, sortedStatuses } from '#test/support/native-batches';
import { countedTokens, startStack, type Stack } from '#test/support/stack';

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

const TEXTS = Array.from({ length: 5 }, (_, index) => `Line ${index}`);

/** One tenant with one key, and what its provider has seen of it. */
class Account {
  readonly caller: BatchCaller;
  readonly tenantId: string;
  readonly secret: string;

  constructor(caller: BatchCaller, tenantId: string, secret: string) {
    this.caller = caller;
    this.tenantId = tenantId;
    this.secret = secret;
  }

  static async of(provider: ProviderId): Promise<Account> {
    const tenant = await stack.createTenant({ providerKeys: [{ provider }] });
    const caller = new BatchCaller(stack.flo2.url, tenant.apiKey);
    return new Account(caller, tenant.tenantId, tenant.providerSecrets[0] ?? '');
  }

  get batches(): SimulatedBatch[] {
    return stack.simulator.batches.all().filter(({ credential }) => credential === this.secret);
  }

  /** The lines that the provider has answered and charged. */
  get lines() {
    return stack.simulator.log.batchLines.filter(
      ({ credential, tokens }) => credential === this.secret && Object.keys(tokens).length > 0,
    );
  }

  get calls() {
    return stack.simulator.log.attempts.filter(({ credential }) => credential === this.secret);
  }

  set(operation: Operation, behaviour: Behaviour, times?: number): void {
    stack.simulator.setBehaviour({
      match: { operation, key: this.secret },
      behaviour,
      ...(times === undefined ? {} : { times }),
    });
  }

  awaitProviderBatch(phase: SimulatedBatch['phase']): Promise<SimulatedBatch> {
    return vi.waitFor(
      () => {
        const [batch] = this.batches;
        if (batch?.phase !== phase) throw new Error(`it is ${batch?.phase ?? 'not there'}`);
        return batch;
      },
      { timeout: 15_000, interval: 20 },
    );
  }

  /** The tokens of all attempts that succeeded, once the ledger has as many. */
  ledger(succeeded: number): Promise<Record<string, number>> {
    return vi.waitFor(
      async () => {
        const columns = TOKEN_CLASSES.map((name) => `'${name}', coalesce(${name}_tokens, 0)`).join(', ');
        const { rows } = await database.query<{ outcome: string; tokens: Record<string, number> }>(
          `select distinct on (attempt_id) outcome, json_build_object(${columns}) as tokens
           from usage_event where tenant_id = $1 order by attempt_id, revision desc`,
          [this.tenantId],
        );
        const done = rows.filter(({ outcome }) => outcome === 'succeeded');
        if (done.length !== succeeded) throw new Error(`${done.length} of ${succeeded} events`);
        return sumOf(done.map(({ tokens }) => tokens));
      },
      { timeout: 15_000, interval: 50 },
    );
  }

  /** What the provider has charged, lines of batches and calls together. */
  get charged(): Record<string, number> {
    return sumOf(
      [...this.lines, ...this.calls].map(({ tokens: { reasoning: _part, ...classes } }) => classes),
    );
  }
}

const sumOf = (counts: readonly Readonly<Record<string, number | undefined>>[]): Record<string, number> => {
  const sum: Record<string, number> = {};
  for (const tokens of counts.map(countedTokens))
    for (const [name, count] of Object.entries(tokens)) sum[name] = (sum[name] ?? 0) + count;
  return sum;
};

const MODELS = [
  ['anthropic', 'anthropic/claude-haiku-4-5'],
  ['google', 'google/gemini-2.5-flash-lite'],
  ['mistral', 'mistral/mistral-small-latest'],
  ['groq', 'groq/llama-3.1-8b-instant'],
] as const satisfies readonly (readonly [ProviderId, string])[];

describe.each(MODELS)('the batch API of %s', (provider, model) => {
  it('leaves what it has not run to the queue, and tells what it has refused', async () => {
    const account = await Account.of(provider);
    account.set('batch_create', { hold: 'in_progress' });
    const { id } = await account.caller.submit({ model, texts: TEXTS, mode: 'native' });
    await account.awaitProviderBatch('in_progress');
    account.set('batch_line', { status: 400 }, 1);
    await stack.simulator.batches.advance({ lines: 3 });
    stack.simulator.batches.expire();
    const batch = await account.caller.awaitStatus(id, 'completed');
    // Gemini has no results of a batch that took too long, and charges none.
    const [refused, answered] = provider === 'google' ? [0, 0] : [1, 2];
    expect(batch.request_counts).toEqual({ total: 5, completed: 5 - refused, failed: refused });
    expect(sortedStatuses(await account.caller.results(batch))).toEqual([
      ...Array.from({ length: 5 - refused }, () => '200'),
      ...Array.from({ length: refused }, () => '400'),
    ]);
    expect(account.lines).toHaveLength(answered);
    expect(account.calls).toHaveLength(5 - refused - answered);
    expect(await account.ledger(5 - refused)).toEqual(account.charged);
  });

  it('keeps what was answered when the caller cancels', async () => {
    const account = await Account.of(provider);
    account.set('batch_create', { hold: 'in_progress' });
    const { id } = await account.caller.submit({ model, texts: TEXTS, mode: 'native' });
    await account.awaitProviderBatch('in_progress');
    await stack.simulator.batches.advance({ lines: 2 });
    await account.caller.client.batches.cancel(id);
    await vi.waitFor(() => expect(account.batches[0]?.cancellingAtMs).not.toBeNull(), { timeout: 10_000 });
    await stack.simulator.batches.advance({ lines: 0 });
    const batch = await account.caller.awaitStatus(id, 'cancelled');
    expect(sortedStatuses(await account.caller.results(batch))).toEqual([
      '200',
      '200',
      ...Array.from({ length: 3 }, () => 'batch_cancelled'),
    ]);
    expect(account.calls).toHaveLength(0);
    expect(await account.ledger(2)).toEqual(account.charged);
  });

  it('is asked for one batch alone, though the answer to its making was lost', async () => {
    const account = await Account.of(provider);
    account.set('batch_create', { loseAnswer: true, hold: 'in_progress' }, 1);
    const { id } = await account.caller.submit({ model, texts: TEXTS, mode: 'native' });
    await account.awaitProviderBatch('in_progress');
    // Anthropic tells what a batch holds only when it has ended: until then it is looked for, and no other made.
    const looks = () =>
      stack.simulator.log.calls.filter(
        ({ credential, method, path }) =>
          credential === account.secret && method === 'GET' && /\/(batches|jobs)$/.test(path),
      ).length;
    await vi.waitFor(() => expect(looks()).toBeGreaterThanOrEqual(provider === 'anthropic' ? 2 : 1), {
      timeout: 15_000,
    });
    await stack.simulator.batches.advance();
    const batch = await account.caller.awaitStatus(id, 'completed');
    expect(batch.request_counts).toEqual({ total: 5, completed: 5, failed: 0 });
    expect(account.batches).toHaveLength(1);
    expect(account.lines).toHaveLength(5);
    expect(account.calls).toHaveLength(0);
    expect(await account.ledger(5)).toEqual(account.charged);
  });
});
