/** What goes wrong at a provider that runs a batch of its own, and what becomes of the lines. */
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import { simulatedBaseUrl } from '#test/simulators/base-urls';
import {
  batchTexts,
  openNativeBatches,
  type NativeBatchCaller,
  type NativeBatchStack,
} from '#test/support/native-batch-stack';
import { sortedStatuses } from '#test/support/native-batches';
import { callControl } from '#test/support/tenant';

let surroundings: NativeBatchStack;

beforeAll(async () => {
  surroundings = await openNativeBatches();
});
afterEach(() => surroundings.stack.simulator.clearBehaviours());
afterAll(() => surroundings.close());

describe('what goes wrong at a provider', () => {
  const MODEL = 'openai/gpt-4o-mini';
  const hold = (caller: NativeBatchCaller, where: 'validating' | 'in_progress' = 'in_progress'): void =>
    surroundings.stack.simulator.setBehaviour({
      match: { operation: 'batch_create', key: caller.secret },
      behaviour: { hold: where },
    });
  const failing = (
    caller: NativeBatchCaller,
    operation: 'batch_get' | 'batch_cancel' | 'batch_list',
    times?: number,
  ) =>
    surroundings.stack.simulator.setBehaviour({
      match: { operation, key: caller.secret },
      behaviour: { status: 500 },
      ...(times !== undefined && { times }),
    });
  /** As if the time had come. */
  const turnClock = (batchId: string, column: 'escalate_at' | 'abandon_at') =>
    surroundings.database.query(
      `update native_batch set ${column} = now(), next_look_at = now() where batch_id = $1`,
      [batchId],
    );

  it('says why it waits, and shows partial failure line by line: another try where one helps', async () => {
    const caller = await surroundings.callerOf('openai');
    hold(caller);
    const { id } = await caller.submit({ model: MODEL, texts: batchTexts(3), mode: 'native' });
    await surroundings.awaitProviderBatch(caller, 'in_progress');
    await vi.waitFor(
      async () =>
        expect(await caller.client.batches.retrieve(id)).toMatchObject({
          in_progress_count: 3,
          waiting_on: { code: 'provider_batch', model: 'gpt-4o-mini' },
        }),
      { timeout: 15_000 },
    );
    const line = (status: number) =>
      surroundings.stack.simulator.setBehaviour({
        match: { operation: 'batch_line', key: caller.secret },
        behaviour: { status },
        times: 1,
      });
    line(500);
    line(400);
    await surroundings.stack.simulator.batches.advance();
    const batch = await caller.awaitStatus(id, 'completed');
    const statuses = sortedStatuses(await caller.results(batch));
    expect(statuses).toEqual(['200', '200', '400']);
    expect(surroundings.callsOf(caller)).toHaveLength(1);
    const events = await surroundings.eventsOf(caller, 4);
    expect(events.map(({ tier, outcome }) => `${tier} ${outcome}`).toSorted()).toEqual([
      'batch succeeded',
      'standard failed',
      'standard failed',
      'standard succeeded',
    ]);
    expect(events.every(({ pricing }) => pricing === 'priced')).toBe(true);
  });

  it('queues what an expired batch has not run', async () => {
    const caller = await surroundings.callerOf('openai');
    hold(caller);
    const { id } = await caller.submit({ model: MODEL, texts: batchTexts(5), mode: 'native' });
    await surroundings.awaitProviderBatch(caller, 'in_progress');
    await surroundings.stack.simulator.batches.advance({ lines: 2 });
    surroundings.stack.simulator.batches.expire();
    const batch = await caller.awaitStatus(id, 'completed');
    expect(batch.request_counts).toEqual({ total: 5, completed: 5, failed: 0 });
    expect(surroundings.batchLinesOf(caller)).toHaveLength(2);
    expect(surroundings.callsOf(caller)).toHaveLength(3);
    const events = await surroundings.eventsOf(caller, 8);
    expect(events.filter(({ error_code }) => error_code === 'timeout')).toHaveLength(3);
    expect(events.filter(({ outcome }) => outcome === 'succeeded')).toHaveLength(5);
  });

  it('queues all of a batch that the provider turns down', async () => {
    const caller = await surroundings.callerOf('openai');
    surroundings.stack.simulator.setBehaviour({
      match: { operation: 'batch_validation', key: caller.secret },
      behaviour: { status: 429, limit: 'tokens' },
    });
    const { id } = await caller.submit({ model: MODEL, texts: batchTexts(2), mode: 'native' });
    const batch = await caller.awaitStatus(id, 'completed');
    expect(batch.request_counts).toEqual({ total: 2, completed: 2, failed: 0 });
    expect(surroundings.batchLinesOf(caller)).toHaveLength(0);
    expect(surroundings.callsOf(caller)).toHaveLength(2);
  });

  it('goes on after looks that fail and results that break off', async () => {
    const caller = await surroundings.callerOf('openai');
    failing(caller, 'batch_get', 2);
    surroundings.stack.simulator.setBehaviour({
      match: { operation: 'download', key: caller.secret },
      behaviour: { cutAfter: 1_000 },
      times: 1,
    });
    const { id } = await caller.submit({ model: MODEL, texts: batchTexts(20), mode: 'native' });
    const batch = await caller.awaitStatus(id, 'completed');
    expect(batch.request_counts).toEqual({ total: 20, completed: 20, failed: 0 });
    expect(surroundings.batchesOf(caller)).toHaveLength(1);
    expect(surroundings.callsOf(caller)).toHaveLength(0);
    expect(await surroundings.eventsOf(caller, 20)).toHaveLength(20);
  });

  it('takes over a batch that was made though no answer came, also where it cannot be looked for at once', async () => {
    const caller = await surroundings.callerOf('openai');
    surroundings.stack.simulator.setBehaviour({
      match: { operation: 'batch_create', key: caller.secret },
      behaviour: { loseAnswer: true },
      times: 1,
    });
    failing(caller, 'batch_list', 1);
    const { id } = await caller.submit({ model: MODEL, texts: batchTexts(4), mode: 'native' });
    await caller.awaitStatus(id, 'completed');
    expect(surroundings.batchesOf(caller)).toHaveLength(1);
    expect(surroundings.batchLinesOf(caller)).toHaveLength(4);
    expect(surroundings.callsOf(caller)).toHaveLength(0);
  });

  it('cancels at the provider when the caller cancels, and keeps what was done', async () => {
    const caller = await surroundings.callerOf('openai');
    hold(caller);
    const { id } = await caller.submit({ model: MODEL, texts: batchTexts(3), mode: 'native' });
    await surroundings.awaitProviderBatch(caller, 'in_progress');
    await surroundings.stack.simulator.batches.advance({ lines: 1 });
    await caller.client.batches.cancel(id);
    await vi.waitFor(() => expect(surroundings.batchesOf(caller)[0]?.cancellingAtMs).not.toBeNull(), {
      timeout: 10_000,
    });
    await surroundings.stack.simulator.batches.advance({ lines: 0 });
    const batch = await caller.awaitStatus(id, 'cancelled');
    expect(batch.request_counts).toMatchObject({ total: 3, completed: 1 });
    expect(sortedStatuses(await caller.results(batch))).toEqual([
      '200',
      'batch_cancelled',
      'batch_cancelled',
    ]);
    expect(surroundings.callsOf(caller)).toHaveLength(0);
  });

  it('near the deadline cancels, takes what is done and queues only the rest: nothing is charged twice', async () => {
    const caller = await surroundings.callerOf('openai');
    hold(caller);
    const { id } = await caller.submit({ model: MODEL, texts: batchTexts(5), mode: 'native' });
    await surroundings.awaitProviderBatch(caller, 'in_progress');
    await surroundings.stack.simulator.batches.advance({ lines: 2 });
    await turnClock(id, 'escalate_at');
    await vi.waitFor(() => expect(surroundings.batchesOf(caller)[0]?.cancellingAtMs).not.toBeNull(), {
      timeout: 10_000,
    });
    expect(surroundings.callsOf(caller)).toHaveLength(0);
    await surroundings.stack.simulator.batches.advance({ lines: 0 });
    const batch = await caller.awaitStatus(id, 'completed');
    expect(batch.request_counts).toEqual({ total: 5, completed: 5, failed: 0 });
    expect(surroundings.batchLinesOf(caller)).toHaveLength(2);
    expect(surroundings.callsOf(caller)).toHaveLength(3);
    const { rows } = await surroundings.database.query(
      'select 1 from work_item where batch_id = $1 and possible_duplicate_charge',
      [id],
    );
    expect(rows).toHaveLength(0);
  });

  it('repeats, flagged, what it cannot know near the deadline, and believes the provider later', async () => {
    const caller = await surroundings.callerOf('openai');
    hold(caller);
    const { id } = await caller.submit({ model: MODEL, texts: batchTexts(2), mode: 'native' });
    await surroundings.awaitProviderBatch(caller, 'in_progress');
    failing(caller, 'batch_get');
    failing(caller, 'batch_cancel');
    await turnClock(id, 'abandon_at');
    await caller.awaitStatus(id, 'completed');
    expect(surroundings.callsOf(caller)).toHaveLength(2);
    const { rows } = await surroundings.database.query(
      'select 1 from work_item where batch_id = $1 and possible_duplicate_charge',
      [id],
    );
    expect(rows).toHaveLength(2);
    const presumed = await surroundings.eventsOf(caller, 4);
    expect(presumed.filter(({ outcome }) => outcome === 'outcome_unknown')).toHaveLength(2);

    surroundings.stack.simulator.clearBehaviours();
    await surroundings.stack.simulator.batches.advance();
    await surroundings.database.query('update native_batch set next_look_at = now() where batch_id = $1', [
      id,
    ]);
    await vi.waitFor(async () => expect((await surroundings.nativeOf(id))[0]?.state).toBe('settled'), {
      timeout: 15_000,
    });
    const known = await vi.waitFor(
      async () => {
        const events = await surroundings.eventsOf(caller, 4);
        expect(events.every(({ outcome }) => outcome === 'succeeded')).toBe(true);
        return events;
      },
      { timeout: 15_000, interval: 50 },
    );
    expect(known.map(({ tier }) => tier).toSorted()).toEqual(['batch', 'batch', 'standard', 'standard']);
  });

  it('gives up on a batch at once when its key is gone, and says what may be charged twice', async () => {
    const caller = await surroundings.callerOf('openai');
    hold(caller);
    const { id } = await caller.submit({ model: MODEL, texts: batchTexts(2), mode: 'native' });
    await surroundings.awaitProviderBatch(caller, 'in_progress');
    const { tenantId, providerKeyIds } = caller.tenant;
    const other = await surroundings.stack.createTenant({ providerKeys: [{ provider: 'openai' }] });
    await callControl(surroundings.stack.flo2, 'POST', `/tenants/${tenantId}/provider-keys`, {
      provider: 'openai',
      name: 'another',
      secret: other.providerSecrets[0],
      base_url: simulatedBaseUrl(surroundings.stack.simulator.url, 'openai'),
    });
    await callControl(
      surroundings.stack.flo2,
      'DELETE',
      `/tenants/${tenantId}/provider-keys/${providerKeyIds[0] ?? ''}`,
    );
    const batch = await caller.awaitStatus(id, 'completed');
    expect(batch.request_counts).toEqual({ total: 2, completed: 2, failed: 0 });
    const events = await surroundings.eventsOf(caller, 4);
    expect(events.map(({ outcome }) => outcome).toSorted()).toEqual([
      'outcome_unknown',
      'outcome_unknown',
      'succeeded',
      'succeeded',
    ]);
    expect((await surroundings.nativeOf(id))[0]).toMatchObject({ is_abandoned: true });
  });
});
