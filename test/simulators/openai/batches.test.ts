/** OpenAI's and Groq's batches, simulated, driven by their own client libraries. */
import Groq from 'groq-sdk';
import OpenAI, { toFile } from 'openai';
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import { linesFile, resultsBy } from '../batches/test-lines.ts';
import { startSimulator, type Simulator } from '../simulator.ts';

let simulator: Simulator;
let accounts = 0;
let openai: OpenAI;

beforeAll(async () => {
  simulator = await startSimulator();
});
afterAll(() => simulator.close());
afterEach(() => simulator.clearBehaviours());

/** A client with an account of its own. */
const connect = (): OpenAI => {
  accounts += 1;
  return new OpenAI({ apiKey: `sk-batch-${accounts}`, baseURL: `${simulator.url}/v1`, maxRetries: 0 });
};

const line = (customId: string, body: Record<string, unknown> = {}) => ({
  custom_id: customId,
  method: 'POST',
  url: '/v1/chat/completions',
  body: { model: 'gpt-4o-mini', messages: [{ role: 'user', content: `echo: ${customId} now` }], ...body },
});

const submit = async (
  lines: readonly unknown[],
  options: Partial<OpenAI.BatchCreateParams> = {},
): Promise<OpenAI.Batch> => {
  openai = connect();
  const file = await openai.files.create({
    file: await toFile(linesFile(lines), 'in.jsonl'),
    purpose: 'batch',
  });
  return openai.batches.create({
    input_file_id: file.id,
    endpoint: '/v1/chat/completions',
    completion_window: '24h',
    ...options,
  });
};

const untilStatus = (id: string, status: OpenAI.Batch['status']): Promise<OpenAI.Batch> =>
  vi.waitFor(
    async () => {
      const batch = await openai.batches.retrieve(id);
      expect(batch.status).toBe(status);
      return batch;
    },
    { timeout: 5_000 },
  );

const download = async (fileId: string | null | undefined) =>
  resultsBy('custom_id', await (await openai.files.content(fileId ?? 'none')).text());

const hold = (at: 'validating' | 'in_progress' | 'finalizing') =>
  simulator.setBehaviour({ match: { operation: 'batch_create' }, behaviour: { hold: at }, times: 1 });

describe('OpenAI batches, simulated', () => {
  it('answers every line as a call would be and charges it in the log', async () => {
    const created = await submit([line('a'), line('b', { max_tokens: 1 })], { metadata: { intent: 'i-1' } });
    expect(created).toMatchObject({ status: 'validating', metadata: { intent: 'i-1' } });
    expect(created.request_counts).toEqual({ total: 0, completed: 0, failed: 0 });
    const batch = await untilStatus(created.id, 'completed');
    expect(batch.request_counts).toEqual({ total: 2, completed: 2, failed: 0 });
    expect(batch.error_file_id).toBeNull();
    const results = await download(batch.output_file_id);
    const direct = await openai.chat.completions.create({
      model: 'gpt-4o-mini',
      messages: [{ role: 'user', content: 'echo: a now' }],
    });
    expect(results['a']).toMatchObject({
      error: null,
      response: { status_code: 200, body: { choices: direct.choices, usage: direct.usage } },
    });
    expect(results['b']).toMatchObject({ response: { body: { choices: [{ finish_reason: 'length' }] } } });
    const charged = simulator.log.batchLines.filter((entry) => entry.batch.id === created.id);
    expect(charged.map(({ batch: { customId }, tokens }) => [customId, tokens.input, tokens.output])).toEqual(
      [
        ['a', direct.usage?.prompt_tokens, direct.usage?.completion_tokens],
        ['b', direct.usage?.prompt_tokens, 1],
      ],
    );
    expect(batch.usage).toMatchObject({ output_tokens: (direct.usage?.completion_tokens ?? 0) + 1 });
  });

  it('puts lines that fail into the error file, those a rule names too', async () => {
    simulator.setBehaviour({
      match: { operation: 'batch_line', customIds: ['asked'] },
      behaviour: { status: 500 },
    });
    const lines = [line('fine'), line('asked'), line('refused', { temperature: 'hot' })];
    const { id } = await submit(lines);
    const batch = await untilStatus(id, 'completed');
    expect(batch.request_counts).toEqual({ total: 3, completed: 1, failed: 2 });
    expect(Object.keys(await download(batch.output_file_id))).toEqual(['fine']);
    expect(await download(batch.error_file_id)).toMatchObject({
      asked: { error: null, response: { status_code: 500, body: { error: { type: 'server_error' } } } },
      refused: { response: { status_code: 400, body: { error: { param: 'temperature' } } } },
    });
  });

  it('serves responses and embeddings', async () => {
    const url = '/v1/responses';
    const body = { model: 'gpt-4o-mini', input: 'echo: hi' };
    const { id } = await submit([{ ...line('a'), url, body }], { endpoint: url });
    const { output_file_id: fileId } = await untilStatus(id, 'completed');
    expect(await download(fileId)).toMatchObject({ a: { response: { body: { object: 'response' } } } });

    const embeddings = '/v1/embeddings';
    const input = { model: 'text-embedding-3-small', input: 'one two', dimensions: 2 };
    const second = await submit([{ ...line('e'), url: embeddings, body: input }], { endpoint: embeddings });
    const { output_file_id: vectors } = await untilStatus(second.id, 'completed');
    expect(await download(vectors)).toMatchObject({
      e: { response: { body: { usage: { prompt_tokens: 2 } } } },
    });
  });

  it.each([
    ['that is no JSON', [line('a'), '{"custom_id"'], 'invalid_json_line', 2],
    ['with a custom_id twice', [line('a'), '', line('a')], 'duplicate_custom_id', 3],
    ['for another endpoint', [{ ...line('a'), url: '/v1/embeddings' }], 'url_mismatch', 1],
    ['for another model', [line('a'), line('b', { model: 'gpt-4o' })], 'model_mismatch', 2],
    ['that is not there', ['', ''], 'empty_file', null],
  ])('fails a batch with a line %s', async (_, lines, code, number) => {
    const { id } = await submit(lines);
    const batch = await untilStatus(id, 'failed');
    expect(batch.errors?.data?.map((error) => [error.code, error.line])).toEqual([[code, number]]);
    expect(simulator.log.batchLines.filter((entry) => entry.batch.id === id)).toEqual([]);
  });

  it('fails validation where the account has too much enqueued', async () => {
    simulator.setBehaviour({
      match: { operation: 'batch_validation' },
      behaviour: { status: 429, limit: 'tokens' },
    });
    const { id } = await submit([line('a')]);
    const { errors } = await untilStatus(id, 'failed');
    expect(errors?.data?.[0]?.code).toBe('token_limit_exceeded');
  });

  it('holds a batch and answers as many lines as it is told', async () => {
    hold('in_progress');
    const { id } = await submit([line('a'), line('b'), line('c')]);
    await untilStatus(id, 'in_progress');
    await simulator.batches.advance({ id, lines: 2 });
    const half = await untilStatus(id, 'in_progress');
    expect(half.request_counts).toEqual({ total: 3, completed: 2, failed: 0 });
    expect(half.output_file_id).toBeNull();
    await simulator.batches.advance({ id });
    expect((await untilStatus(id, 'completed')).request_counts?.completed).toBe(3);
  });

  it('shows validating and finalizing where it is held there', async () => {
    hold('validating');
    const { id } = await submit([line('a')]);
    await untilStatus(id, 'validating');
    await simulator.batches.advance({ id });
    await untilStatus(id, 'completed');
    hold('finalizing');
    const second = await submit([line('a')]);
    await untilStatus(second.id, 'finalizing');
    await simulator.batches.advance({ id: second.id });
    await untilStatus(second.id, 'completed');
  });

  it('cancels with the answers so far kept', async () => {
    hold('in_progress');
    const { id } = await submit([line('a'), line('b'), line('c')]);
    await simulator.batches.advance({ id, lines: 1 });
    expect((await openai.batches.cancel(id)).status).toBe('cancelling');
    await untilStatus(id, 'cancelling');
    await simulator.batches.advance({ id, lines: 1 });
    const batch = await untilStatus(id, 'cancelled');
    expect(Object.keys(await download(batch.output_file_id)).toSorted()).toEqual(['a', 'b']);
    expect(await download(batch.error_file_id)).toMatchObject({
      c: { response: null, error: { code: 'batch_cancelled' } },
    });
    await expect(openai.batches.cancel(id)).rejects.toMatchObject({ status: 409 });
  });

  it('expires with the answers so far kept', async () => {
    hold('in_progress');
    const { id } = await submit([line('a'), line('b')]);
    await untilStatus(id, 'in_progress');
    await simulator.batches.advance({ id, lines: 1 });
    simulator.batches.expire({ id });
    const batch = await untilStatus(id, 'expired');
    expect(Object.keys(await download(batch.output_file_id))).toEqual(['a']);
    expect(await download(batch.error_file_id)).toMatchObject({ b: { error: { code: 'batch_expired' } } });
  });

  it('makes the batch of a create whose answer is lost, and lists it', async () => {
    simulator.setBehaviour({
      match: { operation: 'batch_create' },
      behaviour: { loseAnswer: true },
      times: 1,
    });
    await expect(submit([line('a')], { metadata: { intent: 'lost' } })).rejects.toBeInstanceOf(
      OpenAI.APIConnectionError,
    );
    const { data } = await openai.batches.list();
    expect(data.map(({ metadata }) => metadata)).toEqual([{ intent: 'lost' }]);
  });

  it('fails polls as often as it is told', async () => {
    const { id } = await submit([line('a')]);
    simulator.setBehaviour({ match: { operation: 'batch_get' }, behaviour: { status: 500 }, times: 2 });
    await expect(openai.batches.retrieve(id)).rejects.toMatchObject({ status: 500 });
    await expect(openai.batches.retrieve(id)).rejects.toMatchObject({ status: 500 });
    await untilStatus(id, 'completed');
  });

  it('pages through batches, the newest first, of one account alone', async () => {
    const first = await submit([line('a')]);
    const second = await openai.batches.create({
      input_file_id: first.input_file_id,
      endpoint: '/v1/chat/completions',
      completion_window: '24h',
    });
    const page = await openai.batches.list({ limit: 1 });
    expect(page.data.map(({ id }) => id)).toEqual([second.id]);
    const ids: string[] = [];
    for await (const { id } of openai.batches.list({ limit: 1 })) ids.push(id);
    expect(ids).toEqual([second.id, first.id]);
    await expect(connect().batches.retrieve(first.id)).rejects.toMatchObject({ status: 404 });
  });

  it('keeps files, and refuses what is no batch file', async () => {
    openai = connect();
    const content = linesFile([line('a')]);
    const file = await openai.files.create({ file: await toFile(content, 'in.jsonl'), purpose: 'batch' });
    expect(file).toMatchObject({ bytes: content.length, purpose: 'batch', status: 'processed' });
    expect(await (await openai.files.content(file.id)).text()).toBe(content.toString());
    expect((await openai.files.list({ purpose: 'batch' })).data.map(({ id }) => id)).toEqual([file.id]);
    expect(await openai.files.delete(file.id)).toMatchObject({ deleted: true });
    await expect(openai.files.retrieve(file.id)).rejects.toMatchObject({ status: 404 });
    const text = await toFile(content, 'in.txt');
    await expect(openai.files.create({ file: text, purpose: 'batch' })).rejects.toMatchObject({
      status: 400,
    });
    const created = await openai.batches.create({
      input_file_id: file.id,
      endpoint: '/v1/chat/completions',
      completion_window: '24h',
    });
    expect((await untilStatus(created.id, 'failed')).errors?.data?.[0]?.code).toBe('file_not_found');
  });

  it('can be seen and moved on from outside', async () => {
    hold('in_progress');
    const { id } = await submit([line('a')]);
    const told = await fetch(`${simulator.url}/__batches`, {
      method: 'POST',
      body: JSON.stringify({ do: 'advance', id }),
    });
    expect(await told.json()).toEqual({ batches: 1 });
    await untilStatus(id, 'completed');
    const wrong = await fetch(`${simulator.url}/__batches`, { method: 'POST', body: '{"do":"hurry"}' });
    expect(wrong.status).toBe(400);
  });
});

describe('Groq batches, simulated', () => {
  it('speaks the same API with a window of up to seven days', async () => {
    const groq = new Groq({ apiKey: 'gsk_batch', baseURL: `${simulator.url}/groq`, maxRetries: 0 });
    const model = { model: 'llama-3.3-70b-versatile' };
    const file = await groq.files.create({
      file: await toFile(linesFile([line('a', model), line('b', { ...model, logprobs: true })]), 'in.jsonl'),
      purpose: 'batch',
    });
    const endpoint = '/v1/chat/completions';
    const create = (window: string) =>
      groq.batches.create({ input_file_id: file.id ?? '', endpoint, completion_window: window });
    await expect(create('12h')).rejects.toMatchObject({ status: 400 });
    const { id } = await create('7d');
    const batch = await vi.waitFor(
      async () => {
        const current = await groq.batches.retrieve(id);
        expect(current.status).toBe('completed');
        return current;
      },
      { timeout: 5_000 },
    );
    expect(batch.request_counts).toEqual({ total: 2, completed: 1, failed: 1 });
    expect(Object.keys(batch)).not.toContain('usage');
    const output = await (await groq.files.content(batch.output_file_id ?? '')).text();
    expect(resultsBy('custom_id', output)['a']).toMatchObject({
      response: { status_code: 200, body: { x_groq: {} } },
    });
    const errors = await (await groq.files.content(batch.error_file_id ?? '')).text();
    expect(resultsBy('custom_id', errors)['b']).toMatchObject({ response: { status_code: 400 } });
    expect((await groq.batches.list()).data.map((listed) => listed.id)).toEqual([id]);
  });
});
