/** Lines that run by their provider's own batch API, against the simulated ones, and which way a batch goes. */
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import type { ProviderId } from '#contracts/vocabulary';
import { encodeUsd } from '#domain/money';
import { batchTexts, openNativeBatches, type NativeBatchStack } from '#test/support/native-batch-stack';
import { statusesOf } from '#test/support/native-batches';
import { countedTokens } from '#test/support/stack';
import { callControl } from '#test/support/tenant';

let surroundings: NativeBatchStack;

beforeAll(async () => {
  surroundings = await openNativeBatches();
});
afterEach(() => surroundings.stack.simulator.clearBehaviours());
afterAll(() => surroundings.close());

const MODELS = [
  ['openai', 'openai/gpt-4o-mini'],
  ['groq', 'groq/llama-3.1-8b-instant'],
  ['anthropic', 'anthropic/claude-haiku-4-5'],
  ['google', 'google/gemini-2.5-flash'],
  ['mistral', 'mistral/mistral-small-latest'],
] as const satisfies readonly (readonly [ProviderId, string])[];

describe.each(MODELS)('the batch API of %s', (provider, model) => {
  it('runs lines at half the price of the queue, each once and each in the ledger', async () => {
    const caller = await surroundings.callerOf(provider);
    const queued = await caller.submit({ model, texts: batchTexts(3) });
    await caller.awaitStatus(queued.id, 'completed');
    expect(surroundings.batchesOf(caller)).toHaveLength(0);
    expect(surroundings.callsOf(caller)).toHaveLength(3);
    const dear = await surroundings.eventsOf(caller, 3);

    const native = await caller.submit({ model, texts: batchTexts(3), mode: 'auto' });
    const batch = await caller.awaitStatus(native.id, 'completed');
    expect(batch.request_counts).toEqual({ total: 3, completed: 3, failed: 0 });
    const results = await caller.results(batch);
    expect(statusesOf(results)).toEqual({ 'line-0': 200, 'line-1': 200, 'line-2': 200 });
    expect(surroundings.callsOf(caller)).toHaveLength(3);
    // Where the provider lets its caller delete a batch it is gone by now; what it ran is told by its log.
    expect(new Set(surroundings.batchLinesOf(caller).map(({ batch: { id } }) => id)).size).toBe(1);
    expect(surroundings.batchLinesOf(caller)).toHaveLength(3);

    const all = await surroundings.eventsOf(caller, 6);
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
    const savings = await callControl(surroundings.stack.flo2, 'POST', '/usage/savings', {
      tenant: tenantId,
      from,
      to,
    });
    expect(savings).toMatchObject({
      data: [{ tier: 'batch', attempts: 3, cost: encodeUsd(sum(cheap)), saving: encodeUsd(sum(cheap)) }],
    });

    // The ledger's tokens are those the provider has charged, line by line.
    for (const { request_id: requestId } of cheap) {
      const [attempt] = await surroundings.stack.attemptsOf(requestId, 1);
      const charged = surroundings
        .batchLinesOf(caller)
        .find(({ batch: { customId } }) => customId.slice(4) === requestId.slice(4));
      expect(countedTokens(attempt?.tokens)).toMatchObject(
        countedTokens({ input: charged?.tokens.input, output: charged?.tokens.output }),
      );
    }
  });
});

describe('which way a batch goes', () => {
  const MODEL = 'openai/gpt-4o-mini';

  it('is said by the batch, else by its tenant', async () => {
    const caller = await surroundings.callerOf('openai');
    await callControl(surroundings.stack.flo2, 'PATCH', `/tenants/${caller.tenant.tenantId}`, {
      batch_mode: 'auto',
    });
    await vi.waitFor(async () => {
      const { id } = await caller.submit({ model: MODEL, texts: ['by the tenant'] });
      await caller.awaitStatus(id, 'completed');
      expect(surroundings.batchesOf(caller).length).toBeGreaterThan(0);
    }, 20_000);
    const before = surroundings.batchesOf(caller).length;
    const { id } = await caller.submit({ model: MODEL, texts: ['by the batch'], mode: 'queued' });
    await caller.awaitStatus(id, 'completed');
    expect(surroundings.batchesOf(caller)).toHaveLength(before);
  });

  it('is the queue where there is not a day’s time, and the provider’s where that is asked for', async () => {
    const caller = await surroundings.callerOf('openai');
    const short = await caller.submit({ model: MODEL, texts: ['short'], mode: 'auto', window: '23h' });
    await caller.awaitStatus(short.id, 'completed');
    expect(surroundings.batchesOf(caller)).toHaveLength(0);
    const asked = await caller.submit({ model: MODEL, texts: ['asked'], mode: 'native', window: '23h' });
    await caller.awaitStatus(asked.id, 'completed');
    expect(surroundings.batchesOf(caller)).toHaveLength(1);
  });

  it('refuses a mode that there is not', async () => {
    const caller = await surroundings.callerOf('openai');
    await expect(
      caller.submit({ model: MODEL, texts: ['x'], mode: 'cheap' as 'auto' }),
    ).rejects.toMatchObject({ status: 400, param: 'x-flo2-batch-mode' });
  });
});
