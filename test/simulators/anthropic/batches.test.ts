/** Anthropic's message batches, simulated, driven by its own client library. */
import Anthropic from '@anthropic-ai/sdk';
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import { startSimulator, type Simulator } from '../simulator.ts';

let simulator: Simulator;
let anthropic: Anthropic;
let accounts = 0;

beforeAll(async () => {
  simulator = await startSimulator();
});
afterAll(() => simulator.close());
afterEach(() => simulator.clearBehaviours());

const connect = (): Anthropic => {
  accounts += 1;
  return new Anthropic({ apiKey: `sk-ant-batch-${accounts}`, baseURL: simulator.url, maxRetries: 0 });
};

const request = (customId: string, params: Record<string, unknown> = {}) => ({
  custom_id: customId,
  params: {
    model: 'claude-haiku-4-5',
    max_tokens: 100,
    messages: [{ role: 'user' as const, content: `echo: ${customId} now` }],
    ...params,
  },
});

const submit = (requests: ReturnType<typeof request>[]): Promise<Anthropic.Messages.MessageBatch> => {
  anthropic = connect();
  return anthropic.messages.batches.create({ requests });
};

const untilEnded = (id: string): Promise<Anthropic.Messages.MessageBatch> =>
  vi.waitFor(
    async () => {
      const batch = await anthropic.messages.batches.retrieve(id);
      expect(batch.processing_status).toBe('ended');
      return batch;
    },
    { timeout: 5_000 },
  );

const resultsOf = async (id: string) => {
  const results: Record<string, Anthropic.Messages.MessageBatchResult> = {};
  for await (const line of await anthropic.messages.batches.results(id))
    results[line.custom_id] = line.result;
  return results;
};

const hold = () =>
  simulator.setBehaviour({
    match: { operation: 'batch_create' },
    behaviour: { hold: 'in_progress' },
    times: 1,
  });

describe('Anthropic message batches, simulated', () => {
  it('answers every request as a call would be, at the batch tier, and charges it in the log', async () => {
    const created = await submit([request('a'), request('b', { max_tokens: 1 })]);
    expect(created).toMatchObject({ processing_status: 'in_progress', results_url: null });
    expect(created.request_counts).toMatchObject({ processing: 2, succeeded: 0 });
    const batch = await untilEnded(created.id);
    expect(batch.request_counts).toMatchObject({ processing: 0, succeeded: 2 });
    const { a, b } = await resultsOf(created.id);
    const direct = await anthropic.messages.create({
      model: 'claude-haiku-4-5',
      max_tokens: 100,
      messages: [{ role: 'user', content: 'echo: a now' }],
    });
    expect(a).toMatchObject({
      type: 'succeeded',
      message: { content: direct.content, usage: { ...direct.usage, service_tier: 'batch' } },
    });
    expect(b).toMatchObject({ message: { stop_reason: 'max_tokens' } });
    const charged = simulator.log.batchLines.filter((line) => line.batch.id === created.id);
    expect(charged.map((line) => [line.batch.customId, line.tokens.output])).toEqual([
      ['a', direct.usage.output_tokens],
      ['b', 1],
    ]);
  });

  it('tells the errors of single requests when the batch has ended', async () => {
    simulator.setBehaviour({
      match: { operation: 'batch_line', customIds: ['asked'] },
      behaviour: { status: 529 },
    });
    const { id } = await submit([request('fine'), request('asked'), request('refused', { max_tokens: 0 })]);
    const { request_counts: counts } = await untilEnded(id);
    expect(counts).toMatchObject({ succeeded: 1, errored: 2 });
    expect(await resultsOf(id)).toMatchObject({
      fine: { type: 'succeeded' },
      asked: { type: 'errored', error: { type: 'error', error: { type: 'overloaded_error' } } },
      refused: { type: 'errored', error: { error: { type: 'invalid_request_error' } } },
    });
  });

  it('refuses ids that are no ids or stand twice', async () => {
    await expect(submit([request('a b')])).rejects.toMatchObject({ status: 400 });
    await expect(submit([request('a'), request('a')])).rejects.toMatchObject({ status: 400 });
    await expect(submit([])).rejects.toMatchObject({ status: 400 });
  });

  it('cancels with what was answered kept', async () => {
    hold();
    const { id } = await submit([request('a'), request('b')]);
    await simulator.batches.advance({ id, lines: 1 });
    expect((await anthropic.messages.batches.cancel(id)).processing_status).toBe('canceling');
    await expect(anthropic.messages.batches.results(id)).rejects.toThrow(/results_url|no results/);
    await simulator.batches.advance({ id, lines: 0 });
    const { request_counts: counts } = await untilEnded(id);
    expect(counts).toMatchObject({ succeeded: 1, canceled: 1 });
    expect(await resultsOf(id)).toMatchObject({ a: { type: 'succeeded' }, b: { type: 'canceled' } });
    await expect(anthropic.messages.batches.cancel(id)).rejects.toMatchObject({ status: 400 });
  });

  it('expires what was not answered in time', async () => {
    hold();
    const { id } = await submit([request('a'), request('b')]);
    await simulator.batches.advance({ id, lines: 1 });
    simulator.batches.expire({ id });
    await untilEnded(id);
    expect(await resultsOf(id)).toMatchObject({ a: { type: 'succeeded' }, b: { type: 'expired' } });
  });

  it('lists, the newest first, and deletes what has ended', async () => {
    const first = await submit([request('a')]);
    const second = await anthropic.messages.batches.create({ requests: [request('b')] });
    const ids: string[] = [];
    for await (const { id } of anthropic.messages.batches.list({ limit: 1 })) ids.push(id);
    expect(ids).toEqual([second.id, first.id]);
    await untilEnded(first.id);
    expect(await anthropic.messages.batches.delete(first.id)).toMatchObject({
      type: 'message_batch_deleted',
    });
    await expect(anthropic.messages.batches.retrieve(first.id)).rejects.toMatchObject({ status: 404 });
  });

  it('makes the batch of a create whose answer is lost', async () => {
    simulator.setBehaviour({ match: { operation: 'batch_create' }, behaviour: { loseAnswer: true } });
    await expect(submit([request('a')])).rejects.toBeInstanceOf(Anthropic.APIConnectionError);
    expect((await anthropic.messages.batches.list()).data).toHaveLength(1);
  });
});
