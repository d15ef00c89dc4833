/** Every status of a batch and of a message batch, as the official client libraries show it. */
import Anthropic from '@anthropic-ai/sdk';
import OpenAI, { toFile } from 'openai';
import type { Batch } from 'openai/resources/batches';
import { Client } from 'pg';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { z } from 'zod';
import { startStack, type Stack } from '#test/support/stack';
import { callControl, type TestTenant } from '#test/support/tenant';

let stack: Stack;
let tenant: TestTenant;
/** Its keys may be called once a minute: the lines behind the first one wait. */
let limited: TestTenant;
let database: Client;

beforeAll(async () => {
  stack = await startStack();
  database = new Client({ connectionString: stack.databaseUrl });
  await database.connect();
  tenant = await stack.createTenant();
  limited = await stack.createTenant();
  for (const id of limited.providerKeyIds) {
    await callControl(stack.flo2, 'PATCH', `/tenants/${limited.tenantId}/provider-keys/${id}`, {
      limits: { requests_per_minute: 1 },
    });
  }
});
afterAll(async () => {
  await database.end();
  await stack.close();
});

const openai = ({ apiKey }: TestTenant): OpenAI =>
  new OpenAI({ apiKey, baseURL: `${stack.flo2.url}/v1`, maxRetries: 0 });
const anthropic = ({ apiKey }: TestTenant): Anthropic =>
  new Anthropic({ apiKey, baseURL: stack.flo2.url, maxRetries: 0 });

const QUICK = 'openai/gpt-4o-mini-sim-tokens-4';
const SLOW = 'openai/gpt-4o-mini-sim-latency-20000-tokens-4';
const line = (customId: string, model = QUICK, changes: object = {}): string =>
  JSON.stringify({
    custom_id: customId,
    method: 'POST',
    url: '/v1/chat/completions',
    body: { model, messages: [{ role: 'user', content: customId }] },
    ...changes,
  });

const submit = async (client: OpenAI, lines: readonly string[]): Promise<Batch> => {
  const file = await client.files.create({
    purpose: 'batch',
    file: await toFile(Buffer.from(lines.join('\n')), 'in.jsonl'),
  });
  return client.batches.create({
    input_file_id: file.id,
    endpoint: '/v1/chat/completions',
    completion_window: '24h',
  });
};

const until = <Found>(look: () => Promise<Found>, holds: (found: Found) => void): Promise<Found> =>
  vi.waitFor(
    async () => {
      const found = await look();
      holds(found);
      return found;
    },
    { timeout: 30_000, interval: 50 },
  );
const awaitStatus = (client: OpenAI, id: string, status: string): Promise<Batch> =>
  until(
    () => client.batches.retrieve(id),
    (batch) => expect(batch.status).toBe(status),
  );

/** As if its time were over: nobody waits an hour for a test. */
const passDeadline = async (batchId: string): Promise<void> => {
  await database.query('update batch set deadline_at = now() where id = $1', [batchId]);
  await database.query('update work_item set deadline_at = now() where batch_id = $1 and state = $2', [
    batchId,
    'queued',
  ]);
};

const readFile = async (client: OpenAI, id: string | null | undefined) => {
  const text = await (await client.files.content(id ?? '')).text();
  const row = z.looseObject({ custom_id: z.string(), error: z.looseObject({ code: z.string() }).nullable() });
  return text
    .trim()
    .split('\n')
    .map((each) => row.parse(JSON.parse(each)));
};

describe('a batch is', () => {
  it('validating, in progress, finalizing, completed', async () => {
    const client = openai(tenant);
    const created = await submit(client, [
      line('a'),
      line('b', 'openai/gpt-4o-mini-sim-latency-600-tokens-4'),
    ]);
    expect(created).toMatchObject({
      status: 'validating',
      request_counts: { total: 0, completed: 0, failed: 0 },
      in_progress_at: null,
    });
    const running = await awaitStatus(client, created.id, 'in_progress');
    expect(running.in_progress_at).toBeGreaterThanOrEqual(running.created_at);
    // Its files are put in order last: who holds them holds it there.
    await database.query('begin');
    await database.query('select from stored_file where batch_id = $1 for update', [created.id]);
    const finalizing = await awaitStatus(client, created.id, 'finalizing');
    expect(finalizing).toMatchObject({ request_counts: { total: 2, completed: 2, failed: 0 } });
    expect(finalizing.finalizing_at).not.toBeNull();
    await database.query('commit');
    const completed = await awaitStatus(client, created.id, 'completed');
    expect(completed.completed_at).toBeGreaterThanOrEqual(completed.finalizing_at ?? 0);
    expect(completed.error_file_id).toBeNull();
  });

  it('failed, with each wrong line by its number', async () => {
    const client = openai(tenant);
    const lines = Array.from({ length: 31_006 }, (_, index) => line(String(index)));
    lines.push(
      '{"custom_id": "broken", ',
      line('0'),
      line('url', QUICK, { url: '/v1/embeddings' }),
      line('model', 'nobody/knows'),
      line('long', QUICK, {
        body: { model: QUICK, messages: [{ role: 'user', content: 'x'.repeat(7 << 20) }] },
      }),
    );
    const { id } = await submit(client, lines);
    const failed = await awaitStatus(client, id, 'failed');
    expect(failed.failed_at).not.toBeNull();
    expect(failed.errors?.data?.map((error) => [error.line, error.code])).toEqual([
      [31_007, 'invalid_json_line'],
      [31_008, 'duplicate_custom_id'],
      [31_009, 'invalid_url'],
      [31_010, expect.any(String)],
      [31_011, 'line_too_long'],
    ]);
    expect(failed.request_counts).toEqual({ total: 0, completed: 0, failed: 0 });
  });

  it('cancelling, then cancelled, with what was answered', async () => {
    const client = openai(tenant);
    const { id } = await submit(client, [line('quick'), line('slow', SLOW)]);
    await until(
      () => client.batches.retrieve(id),
      (batch) => expect(batch).toMatchObject({ request_counts: { completed: 1 }, in_progress_count: 1 }),
    );
    const cancelling = await client.batches.cancel(id);
    expect(cancelling.status).toBe('cancelling');
    expect(cancelling.cancelling_at).not.toBeNull();
    const cancelled = await awaitStatus(client, id, 'cancelled');
    expect(cancelled.cancelled_at).not.toBeNull();
    expect((await readFile(client, cancelled.output_file_id)).map((row) => row.custom_id)).toEqual(['quick']);
    expect(await readFile(client, cancelled.error_file_id)).toMatchObject([
      { custom_id: 'slow', error: { code: 'batch_cancelled' } },
    ]);
  });

  it('waiting for its key, says so, and is expired when its time is over', async () => {
    const client = openai(limited);
    const { id } = await submit(client, [line('a'), line('b'), line('c')]);
    const waiting = await until(
      () => client.batches.retrieve(id),
      (batch) => {
        expect(batch).toMatchObject({
          status: 'in_progress',
          waiting_on: { code: 'rate_limited', model: QUICK },
        });
        expect(batch.request_counts?.completed).toBe(1);
      },
    );
    expect(waiting).toMatchObject({ waiting_on: { message: expect.stringMatching(/rate limits/) } });
    await passDeadline(id);
    const expired = await awaitStatus(client, id, 'expired');
    expect(expired).toMatchObject({
      request_counts: { total: 3, completed: 1, failed: 2 },
      waiting_on: null,
    });
    expect(expired.expired_at).not.toBeNull();
    expect(await readFile(client, expired.output_file_id)).toHaveLength(1);
    expect((await readFile(client, expired.error_file_id)).map(({ error }) => error?.code)).toEqual([
      'batch_expired',
      'batch_expired',
    ]);
  });

  it('carried out though its input is deleted meanwhile', async () => {
    const client = openai(tenant);
    const { id, input_file_id: input } = await submit(client, [
      line('a', 'openai/gpt-4o-mini-sim-latency-600-tokens-4'),
    ]);
    await awaitStatus(client, id, 'in_progress');
    await client.files.delete(input);
    expect((await awaitStatus(client, id, 'completed')).request_counts).toMatchObject({ completed: 1 });
  });
});

describe('a message batch is', () => {
  const request = (customId: string, model: string) => ({
    custom_id: customId,
    params: { model, max_tokens: 64, messages: [{ role: 'user' as const, content: customId }] },
  });
  const resultsOf = async (client: Anthropic, id: string): Promise<Record<string, string>> => {
    const results: Record<string, string> = {};
    for await (const { custom_id: customId, result } of await client.messages.batches.results(id)) {
      results[customId] = result.type;
    }
    return results;
  };
  const awaitEnd = (client: Anthropic, id: string) =>
    until(
      () => client.messages.batches.retrieve(id),
      (batch) => expect(batch.processing_status).toBe('ended'),
    );

  it('in progress, canceling, ended, with results of three kinds', async () => {
    const client = anthropic(tenant);
    const { id, processing_status: status } = await client.messages.batches.create({
      requests: [
        request('good', 'anthropic/claude-haiku-4-5'),
        request('bad', 'anthropic/claude-haiku-4-5-sim-error-400'),
        request('slow', 'anthropic/claude-haiku-4-5-sim-latency-20000'),
      ],
    });
    expect(status).toBe('in_progress');
    await until(
      () => client.messages.batches.retrieve(id),
      (batch) => expect(batch.request_counts).toMatchObject({ processing: 1, succeeded: 1, errored: 1 }),
    );
    const cancelled = await client.messages.batches.cancel(id);
    expect(cancelled.processing_status).toBe('canceling');
    expect(cancelled.cancel_initiated_at).not.toBeNull();
    const ended = await awaitEnd(client, id);
    expect(ended.request_counts).toEqual({
      processing: 0,
      succeeded: 1,
      errored: 1,
      canceled: 1,
      expired: 0,
    });
    expect(await resultsOf(client, id)).toEqual({ good: 'succeeded', bad: 'errored', slow: 'canceled' });
  });

  it('ended with what its time was too short for', async () => {
    const client = anthropic(limited);
    const { id } = await client.messages.batches.create({
      requests: ['a', 'b'].map((customId) => request(customId, 'anthropic/claude-haiku-4-5')),
    });
    await until(
      () => client.messages.batches.retrieve(id),
      (batch) => expect(batch.request_counts).toMatchObject({ processing: 1, succeeded: 1 }),
    );
    await passDeadline(id);
    const ended = await awaitEnd(client, id);
    expect(ended.request_counts).toMatchObject({ processing: 0, succeeded: 1, expired: 1 });
    expect(Object.values(await resultsOf(client, id)).sort()).toEqual(['expired', 'succeeded']);
  });
});
