/** Files and batches as the official client libraries drive them, unchanged. */
import Anthropic from '@anthropic-ai/sdk';
import OpenAI, { toFile } from 'openai';
import type { Batch } from 'openai/resources/batches';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { z } from 'zod';
import { startStack, type Stack } from '#test/support/stack';
import type { TestTenant } from '#test/support/flo2';

let stack: Stack;
let tenant: TestTenant;
let client: OpenAI;
let anthropic: Anthropic;

const clientOf = (apiKey: string): OpenAI =>
  new OpenAI({ apiKey, baseURL: `${stack.flo2.url}/v1`, maxRetries: 0 });

beforeAll(async () => {
  stack = await startStack();
  tenant = await stack.createTenant();
  client = clientOf(tenant.apiKey);
  anthropic = new Anthropic({ apiKey: tenant.apiKey, baseURL: stack.flo2.url, maxRetries: 0 });
});
afterAll(() => stack.close());

const MODEL = 'openai/gpt-4o-mini';
const line = (customId: string, text: string, model = MODEL, changes: object = {}): string =>
  JSON.stringify({
    custom_id: customId,
    method: 'POST',
    url: '/v1/chat/completions',
    body: { model, messages: [{ role: 'user', content: text }] },
    ...changes,
  });

const upload = async (lines: readonly string[]) =>
  client.files.create({ purpose: 'batch', file: await toFile(Buffer.from(lines.join('\n')), 'in.jsonl') });

const submit = async (lines: readonly string[], window = '24h'): Promise<Batch> =>
  client.batches.create({
    input_file_id: (await upload(lines)).id,
    endpoint: '/v1/chat/completions',
    completion_window: window as '24h',
    metadata: { night: 'yes' },
  });

const awaitStatus = (id: string, ...statuses: string[]): Promise<Batch> =>
  vi.waitFor(
    async () => {
      const batch = await client.batches.retrieve(id);
      if (!statuses.includes(batch.status)) throw new Error(`it is ${batch.status}`);
      return batch;
    },
    { timeout: 30_000, interval: 50 },
  );

const resultLine = z.looseObject({
  id: z.string().regex(/^batch_req_/),
  custom_id: z.string(),
  response: z
    .looseObject({ status_code: z.number(), request_id: z.string(), body: z.looseObject({}) })
    .nullable(),
  error: z.looseObject({ code: z.string() }).nullable(),
});
const readLines = async (fileId: string | null | undefined) => {
  const text = await (await client.files.content(fileId ?? '')).text();
  return text
    .split('\n')
    .filter((row) => row !== '')
    .map((row) => resultLine.parse(JSON.parse(row)));
};

describe('files', () => {
  it('come back as they were sent, and are gone once deleted', async () => {
    const bytes = Buffer.from(`${'ü'.repeat(1_500_000)}\n`);
    const file = await client.files.create({
      purpose: 'batch',
      file: await toFile(bytes, 'große Datei.jsonl'),
      expires_after: { anchor: 'created_at', seconds: 3_600 },
    });
    expect(file).toMatchObject({
      object: 'file',
      bytes: bytes.length,
      purpose: 'batch',
      status: 'processed',
    });
    expect(file.expires_at).toBe(file.created_at + 3_600);
    const content = Buffer.from(await (await client.files.content(file.id)).arrayBuffer());
    expect(content.equals(bytes)).toBe(true);
    expect(await client.files.retrieve(file.id)).toEqual(file);
    expect(await client.files.delete(file.id)).toEqual({ id: file.id, object: 'file', deleted: true });
    await expect(client.files.retrieve(file.id)).rejects.toMatchObject({ status: 404 });
  });

  it('take the fields of the form in any order', async () => {
    const form = new FormData();
    form.append('file', new Blob(['{}']), 'first.jsonl');
    form.append('purpose', 'batch');
    const answer = await fetch(`${stack.flo2.url}/v1/files`, {
      method: 'POST',
      headers: { authorization: `Bearer ${tenant.apiKey}` },
      body: form,
    });
    expect(answer.status).toBe(200);
    expect(await answer.json()).toMatchObject({ filename: 'first.jsonl', bytes: 2 });
  });

  it('are listed page by page, and no one else’s', async () => {
    const lister = clientOf((await stack.createTenant()).apiKey);
    for (const name of ['a', 'b', 'c']) {
      await lister.files.create({ purpose: 'batch', file: await toFile(Buffer.from(name), name) });
    }
    const names: string[] = [];
    for await (const file of lister.files.list({ limit: 2, order: 'asc' })) names.push(file.filename);
    expect(names).toEqual(['a', 'b', 'c']);
  });

  it.each([
    ['without a purpose', (form: FormData) => form.append('file', new Blob(['{}']), 'a'), 'purpose'],
    ['without a file', (form: FormData) => form.append('purpose', 'batch'), 'file'],
    [
      'of a purpose nobody knows',
      (form: FormData) => {
        form.append('purpose', 'fun');
        form.append('file', new Blob(['{}']), 'a');
      },
      'purpose',
    ],
  ])('are refused %s', async (_, fill, param) => {
    const form = new FormData();
    fill(form);
    const answer = await fetch(`${stack.flo2.url}/v1/files`, {
      method: 'POST',
      headers: { authorization: `Bearer ${tenant.apiKey}` },
      body: form,
    });
    expect(answer.status).toBe(400);
    expect(await answer.json()).toMatchObject({ error: { param, type: 'invalid_request_error' } });
  });

  it('need the scope of batches', async () => {
    const other = await stack.createTenant({ apiKey: { scopes: ['inference'] } });
    await expect(clientOf(other.apiKey).files.list()).rejects.toMatchObject({ status: 403 });
  });
});

describe('a batch', () => {
  it('answers each line on its own, whatever its model, and accounts for each', async () => {
    const lines = [
      ...Array.from({ length: 20 }, (_, index) => line(`line-${index}`, `echo: ${index}`)),
      line('other', 'echo: other', 'anthropic/claude-haiku-4-5'),
      line('refused', 'Hi.', `${MODEL}-sim-error-400`),
    ];
    const created = await submit(lines);
    expect(created).toMatchObject({ object: 'batch', status: 'validating', metadata: { night: 'yes' } });
    expect(created.request_counts).toEqual({ total: 0, completed: 0, failed: 0 });
    const batch = await awaitStatus(created.id, 'completed');
    expect(batch.request_counts).toEqual({ total: 22, completed: 21, failed: 1 });
    const answered = await readLines(batch.output_file_id);
    expect(answered).toHaveLength(21);
    expect(new Set(answered.map(({ custom_id: id }) => id)).size).toBe(21);
    const fifth = answered.find(({ custom_id: id }) => id === 'line-5');
    expect(fifth?.response?.body).toMatchObject({ choices: [{ message: { content: '5' } }] });
    const [refused, ...others] = await readLines(batch.error_file_id);
    expect(others).toEqual([]);
    expect(refused).toMatchObject({ custom_id: 'refused', response: { status_code: 400 }, error: null });
    const [attempt] = await stack.attemptsOf(fifth?.response?.request_id ?? '', 1);
    expect(attempt).toMatchObject({ outcome: 'succeeded', usage_source: 'provider' });
    const output = await client.files.retrieve(batch.output_file_id ?? '');
    const text = await (await client.files.content(output.id)).text();
    expect(output).toMatchObject({ purpose: 'batch_output', bytes: Buffer.byteLength(text) });
  });

  it('says by line what is wrong with its input, and begins none of it', async () => {
    const created = await submit([
      line('a', 'fine'),
      '{"custom_id": "b"',
      line('a', 'again'),
      line('c', 'fine', 'nobody/knows'),
      line('d', 'fine', MODEL, { url: '/v1/embeddings' }),
    ]);
    const batch = await awaitStatus(created.id, 'failed');
    expect(batch.errors?.data?.map(({ code, line: number, param }) => [code, number, param])).toEqual([
      ['invalid_json_line', 2, null],
      ['duplicate_custom_id', 3, 'custom_id'],
      ['model_not_found', 4, 'body.model'],
      ['invalid_url', 5, 'url'],
    ]);
    expect(batch.request_counts).toEqual({ total: 0, completed: 0, failed: 0 });
    expect(batch.failed_at).toEqual(expect.any(Number));
  });

  it('runs lines that bound their answers by any number', async () => {
    const body = { model: 'openai/gpt-4o-mini', max_tokens: 2 ** 31, messages: [] };
    const messages = [{ role: 'user', content: 'Hi.' }];
    const batch = await submit([line('a', 'Hi.', 'openai/gpt-4o-mini', { body: { ...body, messages } })]);
    const ended = await awaitStatus(batch.id, 'completed', 'failed');
    expect(ended.request_counts).toEqual({ total: 1, completed: 1, failed: 0 });
  });

  it('of nothing fails', async () => {
    const batch = await awaitStatus((await submit(['', ''])).id, 'failed');
    expect(batch.errors?.data?.[0]).toMatchObject({ code: 'empty_file' });
  });

  it('can be read while it runs, and keeps what it has when it is cancelled', async () => {
    const slow = `${MODEL}-sim-latency-20000`;
    const created = await submit([line('quick', 'echo: quick'), line('slow', 'Hi.', slow)]);
    const running = await vi.waitFor(
      async () => {
        const batch = await client.batches.retrieve(created.id);
        expect(batch.request_counts).toEqual({ total: 2, completed: 1, failed: 0 });
        return batch;
      },
      { timeout: 20_000, interval: 50 },
    );
    expect(running.status).toBe('in_progress');
    expect((await readLines(running.output_file_id)).map(({ custom_id: id }) => id)).toEqual(['quick']);
    const cancelling = await client.batches.cancel(created.id);
    expect(cancelling.status).toBe('cancelling');
    const batch = await awaitStatus(created.id, 'cancelled');
    expect(batch.cancelled_at).toEqual(expect.any(Number));
    expect((await readLines(batch.output_file_id)).map(({ custom_id: id }) => id)).toEqual(['quick']);
    const [slowLine] = await readLines(batch.error_file_id);
    expect(slowLine).toMatchObject({ custom_id: 'slow', response: null, error: { code: 'batch_cancelled' } });
    await expect(
      client.batches.cancel((await awaitStatus(created.id, 'cancelled')).id),
    ).resolves.toMatchObject({
      status: 'cancelled',
    });
  });

  it('refuses a file that is not there, and a window nobody keeps', async () => {
    const { id } = await upload([line('a', 'Hi.')]);
    const endpoint = '/v1/chat/completions';
    await expect(
      client.batches.create({ input_file_id: 'file_none', endpoint, completion_window: '24h' }),
    ).rejects.toMatchObject({ status: 400, param: 'input_file_id' });
    await expect(
      client.batches.create({ input_file_id: id, endpoint, completion_window: '9w' as '24h' }),
    ).rejects.toMatchObject({ status: 400, param: 'completion_window' });
  });

  it('is listed page by page', async () => {
    const lister = clientOf((await stack.createTenant()).apiKey);
    const file = await lister.files.create({
      purpose: 'batch',
      file: await toFile(Buffer.from(line('a', 'Hi.')), 'in.jsonl'),
    });
    const ids: string[] = [];
    for (let count = 0; count < 3; count += 1) {
      const { id } = await lister.batches.create({
        input_file_id: file.id,
        endpoint: '/v1/chat/completions',
        completion_window: '24h',
      });
      ids.push(id);
    }
    const listed: string[] = [];
    for await (const { id } of lister.batches.list({ limit: 2 })) listed.push(id);
    expect(listed).toEqual(ids.toReversed());
  });
});

describe('a message batch', () => {
  const request = (customId: string, text: string, model = 'anthropic/claude-haiku-4-5') => ({
    custom_id: customId,
    params: { model, max_tokens: 64, messages: [{ role: 'user' as const, content: text }] },
  });

  it('answers each request on its own, and streams its results', async () => {
    const created = await anthropic.messages.batches.create({
      requests: [
        request('one', 'echo: one'),
        request('two', 'echo: two', MODEL),
        request('bad', 'Hi.', `${MODEL}-sim-error-400`),
      ],
    });
    expect(created).toMatchObject({ type: 'message_batch', processing_status: 'in_progress' });
    expect(created.request_counts.processing).toBe(3);
    const ended = await vi.waitFor(
      async () => {
        const batch = await anthropic.messages.batches.retrieve(created.id);
        expect(batch.processing_status).toBe('ended');
        return batch;
      },
      { timeout: 30_000, interval: 50 },
    );
    expect(ended.request_counts).toEqual({
      processing: 0,
      succeeded: 2,
      errored: 1,
      canceled: 0,
      expired: 0,
    });
    const results: Record<string, string> = {};
    for await (const result of await anthropic.messages.batches.results(created.id)) {
      results[result.custom_id] =
        result.result.type === 'succeeded'
          ? result.result.message.content.map((block) => (block.type === 'text' ? block.text : '')).join('')
          : result.result.type;
    }
    expect(results).toEqual({ one: 'one', two: 'two', bad: 'errored' });
  });

  it('is refused as a whole where a request in it cannot be asked', async () => {
    await expect(
      anthropic.messages.batches.create({ requests: [request('one', 'Hi.'), request('one', 'Hi.')] }),
    ).rejects.toMatchObject({ status: 400 });
    await expect(
      anthropic.messages.batches.create({ requests: [request('one', 'Hi.', 'nobody/knows')] }),
    ).rejects.toMatchObject({ status: 400 });
  });

  it('can be cancelled', async () => {
    const slow = 'anthropic/claude-haiku-4-5-sim-latency-20000';
    const created = await anthropic.messages.batches.create({ requests: [request('slow', 'Hi.', slow)] });
    await vi.waitFor(
      async () => {
        const calls = stack.simulator.log.attempts.length;
        expect(calls).toBeGreaterThan(0);
        expect((await anthropic.messages.batches.retrieve(created.id)).request_counts.processing).toBe(1);
      },
      { timeout: 15_000 },
    );
    expect((await anthropic.messages.batches.cancel(created.id)).processing_status).toBe('canceling');
    const ended = await vi.waitFor(
      async () => {
        const batch = await anthropic.messages.batches.retrieve(created.id);
        expect(batch.processing_status).toBe('ended');
        return batch;
      },
      { timeout: 30_000, interval: 50 },
    );
    expect(ended.request_counts).toMatchObject({ canceled: 1, succeeded: 0 });
  });
});
