/** Every provider's own batch API behind flo2's batches: what was not answered there is queued, and nothing twice. */
import Anthropic from '@anthropic-ai/sdk';
import { toFile } from 'openai';
import { Client } from 'pg';
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import { TOKEN_CLASSES } from '#contracts/usage';
import type { ProviderId } from '#contracts/vocabulary';
import type { Behaviour } from '#test/simulators/behaviour';
import type { SimulatedBatch } from '#test/simulators/batches/simulated-batch';
import type { Operation } from '#test/simulators/provider';
import { BatchCaller, sortedStatuses } from '#test/support/native-batches';
import { countedTokens, startStack, type Stack } from '#test/support/stack';
import type { TestTenant } from '#test/support/tenant';

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

  readonly apiKey: string;

  constructor(caller: BatchCaller, tenant: TestTenant) {
    this.caller = caller;
    this.tenantId = tenant.tenantId;
    this.apiKey = tenant.apiKey;
    this.secret = tenant.providerSecrets[0] ?? '';
  }

  static async of(provider: ProviderId): Promise<Account> {
    const tenant = await stack.createTenant({ providerKeys: [{ provider }] });
    return new Account(new BatchCaller(stack.flo2.url, tenant.apiKey), tenant);
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

const NATIVE = { headers: { 'x-flo2-batch-mode': 'native' } };

describe('a message batch', () => {
  it.each([
    ['anthropic', 'anthropic/claude-haiku-4-5'],
    ['openai', 'openai/gpt-4o-mini'],
    ['google', 'google/gemini-2.5-flash-lite'],
  ] as const)('runs by the batch API of %s, in its own dialect', async (provider, model) => {
    const account = await Account.of(provider);
    const client = new Anthropic({ apiKey: account.apiKey, baseURL: stack.flo2.url, maxRetries: 0 });
    account.set('batch_line', { status: 400 }, 1);
    const requests = ['a', 'b', 'c'].map((customId) => ({
      custom_id: customId,
      params: {
        model,
        max_tokens: 200,
        messages: [{ role: 'user' as const, content: `echo: ${customId} now` }],
      },
    }));
    const { id } = await client.messages.batches.create({ requests }, NATIVE);
    const batch = await vi.waitFor(
      async () => {
        const current = await client.messages.batches.retrieve(id);
        expect(current.processing_status).toBe('ended');
        return current;
      },
      { timeout: 30_000, interval: 50 },
    );
    expect(batch.request_counts).toMatchObject({ succeeded: 2, errored: 1 });
    const said: string[] = [];
    for await (const { custom_id: customId, result } of await client.messages.batches.results(id)) {
      if (result.type !== 'succeeded') said.push(result.type);
      // Gemini signs its reasoning, which stands beside.
      else expect(result.message.content).toContainEqual({ type: 'text', text: `${customId} now` });
    }
    expect(said).toEqual(['errored']);
    expect(account.batches).toHaveLength(1);
    expect(account.calls).toHaveLength(0);
    expect(await account.ledger(2)).toEqual(account.charged);
  });
});

describe('a batch of another endpoint', () => {
  const EMBEDDINGS = '/v1/embeddings';
  const RESPONSES = '/v1/responses';
  it.each([
    ['openai', EMBEDDINGS, 'openai/text-embedding-3-small', { object: 'list' }],
    ['mistral', EMBEDDINGS, 'mistral/mistral-embed', { object: 'list' }],
    ['openai', RESPONSES, 'openai/gpt-4o-mini', { object: 'response', status: 'completed' }],
    ['anthropic', RESPONSES, 'anthropic/claude-haiku-4-5', { object: 'response', status: 'completed' }],
  ] as const)('runs by the batch API of %s: %s', async (provider, url, model, expected) => {
    const account = await Account.of(provider);
    const { client } = account.caller;
    const lines = ['a', 'b'].map((customId) =>
      JSON.stringify({
        custom_id: customId,
        method: 'POST',
        url,
        body: { model, input: `echo: ${customId}` },
      }),
    );
    const file = await client.files.create({
      purpose: 'batch',
      file: await toFile(Buffer.from(lines.join('\n')), 'lines.jsonl'),
    });
    const { id } = await client.batches.create(
      { input_file_id: file.id, endpoint: url, completion_window: '24h' },
      NATIVE,
    );
    const batch = await account.caller.awaitStatus(id, 'completed');
    const results = await account.caller.results(batch);
    expect([...results.values()].map(({ response }) => response?.['body'])).toMatchObject([
      expected,
      expected,
    ]);
    expect(account.batches).toHaveLength(1);
    expect(account.calls).toHaveLength(0);
    expect(await account.ledger(2)).toEqual(account.charged);
  });
});
