import { describe, expect, it } from 'vitest';
import { scriptedHttp } from '#test/conformance/scripted-batch-http';
import type { NativeBatchLineResult } from '../native-batch.ts';
import { mistralBatch } from './batch.ts';

const BASE = 'https://api.mistral.ai/v1';
const ID = '5c2b3b1e-3f0a-4d53-a2b4-2f6f1f2e7a10';

/** As the reference shows one. */
const job = (fields: Record<string, unknown> = {}) => ({
  id: ID,
  object: 'batch',
  input_files: ['8d0f9a2c-0001-4000-a000-000000000001'],
  metadata: { flo2_batch: 'nbat_1' },
  endpoint: '/v1/chat/completions',
  model: 'mistral-small-latest',
  agent_id: null,
  output_file: null,
  error_file: null,
  errors: [],
  outputs: null,
  status: 'QUEUED',
  created_at: 1_795_521_600,
  total_requests: 3,
  completed_requests: 0,
  succeeded_requests: 0,
  failed_requests: 0,
  started_at: null,
  completed_at: null,
  ...fields,
});

const intent = {
  id: 'nbat_1',
  model: 'mistral-small-latest',
  path: '/chat/completions',
  headers: {},
  lineCount: 3,
  createdAtMs: Date.parse('2026-11-24T12:00:00Z'),
  windowHours: 12,
};
const OTHERS = { known: new Set<string>(), customIds: new Set<string>() };

const poll = (told: unknown) =>
  mistralBatch.poll(scriptedHttp(BASE, { [`GET /batch/jobs/${ID}`]: { body: told } }), { id: ID, parts: {} });

const resultsOf = async (lines: readonly unknown[]): Promise<NativeBatchLineResult[]> => {
  const http = scriptedHttp(BASE, { 'GET /files/out/content': { lines } });
  const results: NativeBatchLineResult[] = [];
  for await (const result of mistralBatch.results(http, { id: ID, parts: { output_file: 'out' } }))
    results.push(result);
  return results;
};

describe('a Mistral batch job', () => {
  it('is made of an uploaded file, with the model and the hours it may take', async () => {
    const http = scriptedHttp(BASE, {
      'POST /files': { body: { id: 'file-1' } },
      'POST /batch/jobs': { body: job() },
    });
    const jsonl = Buffer.from('{"custom_id":"a","body":{}}\n');
    expect((await mistralBatch.create(http, intent, jsonl)).id).toBe(ID);
    const [upload, made] = http.calls;
    expect(Buffer.from(upload?.body ?? []).toString()).toContain(jsonl.toString());
    expect(JSON.parse(Buffer.from(made?.body ?? []).toString())).toEqual({
      input_files: ['file-1'],
      endpoint: '/v1/chat/completions',
      model: 'mistral-small-latest',
      metadata: { flo2_batch: 'nbat_1' },
      timeout_hours: 12,
    });
  });

  it.each([
    ['QUEUED', {}, 'pending'],
    ['RUNNING', {}, 'pending'],
    ['CANCELLATION_REQUESTED', {}, 'pending'],
    ['SOMETHING_NEW', {}, 'pending'],
    // Its files may take a moment; without them nobody can tell which lines were answered.
    ['SUCCESS', { succeeded_requests: 3 }, 'pending'],
    ['CANCELLED', { succeeded_requests: 1 }, 'pending'],
    ['TIMEOUT_EXCEEDED', { failed_requests: 1 }, 'pending'],
    ['TIMEOUT_EXCEEDED', { succeeded_requests: 1, output_file: 'out' }, 'ended'],
    ['SUCCESS', { succeeded_requests: 3, output_file: 'out' }, 'ended'],
    ['SUCCESS', { failed_requests: 3, error_file: 'err' }, 'ended'],
    ['CANCELLED', {}, 'ended'],
    ['TIMEOUT_EXCEEDED', {}, 'ended'],
    ['FAILED', {}, 'refused'],
    ['FAILED', { succeeded_requests: 1, output_file: 'out' }, 'ended'],
  ])('with status %s and %j is %s', async (status, fields, expected) => {
    const observed = await poll(job({ status, ...fields }));
    expect(observed).toMatchObject({ state: expected, status });
  });

  it('tells why it failed and where its results are', async () => {
    const errors = [{ message: 'duplicate custom_id', count: 2 }, { message: null }, 'odd'];
    const { errors: told, reference } = await poll(
      job({ status: 'FAILED', errors, output_file: 'out', error_file: 'err' }),
    );
    expect(told).toEqual(['duplicate custom_id']);
    expect(reference.parts).toEqual({
      input_file: '8d0f9a2c-0001-4000-a000-000000000001',
      output_file: 'out',
      error_file: 'err',
    });
    await expect(poll({ status: 'SUCCESS' })).rejects.toMatchObject({ code: 'malformed_answer' });
  });

  it('reads lines whatever stands in place of a response', async () => {
    const results = await resultsOf([
      { id: 'batch-1', custom_id: 'ok', response: { status_code: 200, body: { id: 'c1' } }, error: null },
      { custom_id: 'bad', response: { status_code: 422, body: { object: 'error', message: 'no' } } },
      { custom_id: 'told', response: null, error: { message: 'the model failed' } },
      { custom_id: 'text', response: null, error: 'the model failed' },
      { custom_id: 'bare', response: { status_code: 200 }, error: null },
      { custom_id: 'zero', response: { status_code: 0, body: {} }, error: null },
      { custom_id: null, response: { status_code: 200, body: {} } },
    ]);
    expect(results.map((result) => [result.customId, 'status' in result ? result.status : null])).toEqual([
      ['ok', 200],
      ['bad', 422],
      ['told', 502],
      ['text', 502],
      ['bare', 502],
      ['zero', 502],
    ]);
    const [, , told] = results;
    if (told?.kind !== 'answered') throw new Error('the line has no answer');
    expect(JSON.parse(Buffer.from(told.body).toString())).toMatchObject({ message: 'the model failed' });
  });

  it('is found by its metadata, once though pages move', async () => {
    const full = Array.from({ length: 99 }, (_, at) => job({ id: `x-${at}`, metadata: null }));
    const http = scriptedHttp(BASE, {
      'GET /batch/jobs': ({ path }) => ({
        body: { object: 'list', total: 101, data: path.includes('page=0&') ? [...full, job()] : [job()] },
      }),
    });
    const search = await mistralBatch.find(http, intent, OTHERS);
    expect(search).toMatchObject({ kind: 'found', references: [{ id: ID }] });
    expect(http.calls[0]?.path).toContain('created_after=2026-11-24T11%3A59%3A00.000Z');
    const none = scriptedHttp(BASE, { 'GET /batch/jobs': { body: { object: 'list', total: 0 } } });
    expect(await mistralBatch.find(none, intent, OTHERS)).toEqual({ kind: 'absent' });
    const odd = scriptedHttp(BASE, { 'GET /batch/jobs': { body: { detail: 'odd' } } });
    await expect(mistralBatch.find(odd, intent, OTHERS)).rejects.toMatchObject({ code: 'malformed_answer' });
  });

  it('is looked for on a bounded number of pages', async () => {
    const data = Array.from({ length: 100 }, (_, at) => job({ id: `x-${at}`, metadata: {} }));
    const http = scriptedHttp(BASE, { 'GET /batch/jobs': { body: { object: 'list', data } } });
    expect(await mistralBatch.find(http, intent, OTHERS)).toEqual({ kind: 'undecided' });
    expect(http.calls).toHaveLength(50);
  });
});
