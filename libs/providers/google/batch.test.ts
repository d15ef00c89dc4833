import { describe, expect, it } from 'vitest';
import { FloError } from '#domain/errors';
import { scriptedHttp } from '#test/conformance/scripted-batch-http';
import type { NativeBatchLineResult, NativeBatchReference } from '../native-batch.ts';
import { googleBatch } from './batch.ts';

const BASE = 'https://generativelanguage.googleapis.com/v1beta';
const ORIGIN = 'https://generativelanguage.googleapis.com';
const NAME = 'batches/7h9w4gzuqot3bb3fpd1e2nqcp980iwnmjs7n';
const TYPE = 'type.googleapis.com/google.ai.generativelanguage.v1main.GenerateContentBatch';

/** As the API shows one. */
const operation = (metadata: Record<string, unknown> = {}, fields: Record<string, unknown> = {}) => ({
  name: NAME,
  metadata: {
    '@type': TYPE,
    model: 'models/gemini-2.5-flash',
    displayName: 'nbat_1',
    inputConfig: { fileName: 'files/85nave4ld71j' },
    createTime: '2026-11-24T12:00:01.827892252Z',
    updateTime: '2026-11-24T12:00:01.827892252Z',
    batchStats: { requestCount: '5', pendingRequestCount: '5' },
    state: 'BATCH_STATE_PENDING',
    name: NAME,
    ...metadata,
  },
  ...fields,
});

const intent = {
  id: 'nbat_1',
  model: 'gemini-2.5-flash',
  path: '/models/gemini-2.5-flash:generateContent',
  headers: {},
  lineCount: 5,
  createdAtMs: Date.parse('2026-11-24T12:00:00Z'),
  windowHours: 24,
};
const OTHERS = { known: new Set<string>(), customIds: new Set<string>() };
const REFERENCE: NativeBatchReference = { id: NAME, parts: { input_file: 'files/85nave4ld71j' } };

const poll = (told: unknown, reference = REFERENCE) =>
  googleBatch.poll(scriptedHttp(BASE, { [`GET /${NAME}`]: { body: told } }), reference);

const resultsOf = async (lines: readonly unknown[]): Promise<NativeBatchLineResult[]> => {
  const path = `${ORIGIN}/download/v1beta/files/batch-1:download`;
  const http = scriptedHttp(BASE, { [`GET ${path}`]: { lines } });
  const reference = { id: NAME, parts: { responses_file: 'files/batch-1' } };
  const results: NativeBatchLineResult[] = [];
  for await (const result of googleBatch.results(http, reference)) results.push(result);
  return results;
};

const ANSWERED = { requestCount: '5', successfulRequestCount: '2' };
const OUTPUT = { responsesFile: 'files/batch-1' };

describe('a Gemini batch', () => {
  it('is made of an uploaded file, behind the base URL whatever address the upload is given', async () => {
    const http = scriptedHttp('https://proxy.example/google/v1beta', {
      'POST https://proxy.example/google/upload/v1beta/files': {
        headers: {
          'x-goog-upload-url': `${ORIGIN}/upload/v1beta/files?upload_id=u1&upload_protocol=resumable`,
        },
        body: '',
      },
      'POST https://proxy.example/upload/v1beta/files': { body: { file: { name: 'files/85nave4ld71j' } } },
      'POST /models/gemini-2.5-flash:batchGenerateContent': { body: operation() },
    });
    const jsonl = Buffer.from('{"key":"a","request":{}}\n');
    expect(await googleBatch.create(http, intent, jsonl)).toEqual(REFERENCE);
    const [start, sent, made] = http.calls;
    expect(start?.headers).toMatchObject({ 'x-goog-upload-header-content-length': String(jsonl.length) });
    expect(sent?.path).toContain('upload_id=u1');
    expect(sent?.body).toEqual(jsonl);
    expect(JSON.parse(Buffer.from(made?.body ?? []).toString())).toEqual({
      batch: { displayName: 'nbat_1', inputConfig: { fileName: 'files/85nave4ld71j' } },
    });
  });

  it.each([
    ['BATCH_STATE_PENDING', {}, 'pending'],
    ['JOB_STATE_RUNNING', {}, 'pending'],
    ['BATCH_STATE_SOMETHING_NEW', {}, 'pending'],
    // Its file of results may take a moment.
    ['BATCH_STATE_SUCCEEDED', {}, 'pending'],
    ['BATCH_STATE_SUCCEEDED', { output: OUTPUT }, 'ended'],
    ['JOB_STATE_SUCCEEDED', { output: OUTPUT }, 'ended'],
    ['BATCH_STATE_CANCELLED', {}, 'ended'],
    ['BATCH_STATE_EXPIRED', {}, 'ended'],
    ['BATCH_STATE_FAILED', {}, 'refused'],
    // Nobody can tell which were answered.
    ['BATCH_STATE_CANCELLED', { batchStats: ANSWERED }, 'pending'],
    ['BATCH_STATE_EXPIRED', { batchStats: ANSWERED }, 'pending'],
    ['BATCH_STATE_FAILED', { batchStats: ANSWERED }, 'pending'],
    ['BATCH_STATE_CANCELLED', { batchStats: ANSWERED, output: OUTPUT }, 'ended'],
    ['BATCH_STATE_FAILED', { batchStats: ANSWERED, output: OUTPUT }, 'ended'],
  ])('in state %s with %j is %s', async (state, metadata, expected) => {
    const observed = await poll(operation({ state, ...metadata }));
    expect(observed.state).toBe(expected);
  });

  it('tells counts that are texts, its file of results and why it failed', async () => {
    const done = operation(
      {
        state: 'BATCH_STATE_SUCCEEDED',
        batchStats: { requestCount: '5', successfulRequestCount: '4', failedRequestCount: '1' },
      },
      { done: true, response: { '@type': `${TYPE}Output`, responsesFile: 'files/batch-1' } },
    );
    expect(await poll(done)).toEqual({
      state: 'ended',
      status: 'SUCCEEDED',
      counts: { total: 5, succeeded: 4, failed: 1 },
      errors: [],
      reference: { id: NAME, parts: { ...REFERENCE.parts, responses_file: 'files/batch-1' } },
    });
    const failed = operation(
      { state: 'BATCH_STATE_FAILED' },
      { error: { code: 3, message: 'x'.repeat(900) } },
    );
    expect((await poll(failed)).errors).toEqual(['x'.repeat(500)]);
  });

  it('takes no name that would lead somewhere else', async () => {
    const output = { responsesFile: 'files/../../secrets?x=1' };
    const told = await poll(operation({ state: 'BATCH_STATE_SUCCEEDED', output }));
    expect(told.reference.parts).not.toHaveProperty('responses_file');
    const elsewhere = { ...operation(), name: 'batches/a/../../keys' };
    await expect(poll(elsewhere)).rejects.toMatchObject({ code: 'malformed_answer' });
    await expect(poll(operation(), { id: '../keys', parts: {} })).rejects.toMatchObject({
      code: 'malformed_answer',
    });
  });

  it('reads each kind of result, an error under either name', async () => {
    const results = await resultsOf([
      { key: 'ok', response: { candidates: [], usageMetadata: {} } },
      { key: 'bad', error: { code: 3, message: 'no' } },
      { key: 'spent', status: { code: 8, message: 'no' } },
      { key: 'http', error: { code: 503, message: 'no' } },
      { key: 'odd', error: { code: 'x' } },
      { key: 'empty' },
      { key: 'stopped', error: { code: 1, message: 'The request was cancelled.' } },
      { response: {} },
    ]);
    expect(
      results.map((result) => [result.customId, 'status' in result ? result.status : result.reason]),
    ).toEqual([
      ['ok', 200],
      ['bad', 400],
      ['spent', 429],
      ['http', 503],
      ['odd', 502],
      ['empty', 502],
      ['stopped', 'cancelled'],
    ]);
    const [, bad] = results;
    if (bad?.kind !== 'answered') throw new Error('the line has no answer');
    expect(JSON.parse(Buffer.from(bad.body).toString())).toEqual({
      error: { code: 400, message: 'no', status: 'INVALID_ARGUMENT' },
    });
  });

  it('has no results without a file of them', async () => {
    const results: unknown[] = [];
    for await (const result of googleBatch.results(scriptedHttp(BASE, {}), REFERENCE)) results.push(result);
    expect(results).toEqual([]);
  });

  it('is found by its display name, without the answers of others', async () => {
    const http = scriptedHttp(BASE, {
      'GET /batches': ({ path }) => ({
        body: path.includes('pageToken=p2')
          ? { operations: [operation()] }
          : { operations: [operation({ displayName: 'another' })], nextPageToken: 'p2' },
      }),
    });
    expect(await googleBatch.find(http, intent, OTHERS)).toEqual({ kind: 'found', references: [REFERENCE] });
    expect(http.calls[0]?.path).toContain('fields=');
    const empty = scriptedHttp(BASE, { 'GET /batches': { body: {} } });
    expect(await googleBatch.find(empty, intent, OTHERS)).toEqual({ kind: 'absent' });
  });

  it('is looked for on a bounded number of pages', async () => {
    let pages = 0;
    const http = scriptedHttp(BASE, {
      'GET /batches': () => ({
        body: { operations: [operation({ displayName: 'x' })], nextPageToken: `${(pages += 1)}` },
      }),
    });
    expect(await googleBatch.find(http, intent, OTHERS)).toEqual({ kind: 'undecided' });
    expect(http.calls).toHaveLength(50);
  });

  it('is disposed of where its file may not be seen any more', async () => {
    const gone = new FloError('permission', 'gone', { upstreamStatus: 403 });
    const http = scriptedHttp(BASE, {
      'DELETE /files/85nave4ld71j': { error: gone },
      [`DELETE /${NAME}`]: { body: {} },
    });
    await googleBatch.dispose(http, REFERENCE);
    expect(http.calls).toHaveLength(2);
    const down = new FloError('server', 'down', { upstreamStatus: 503 });
    const failing = scriptedHttp(BASE, { 'DELETE /files/85nave4ld71j': { error: down } });
    await expect(googleBatch.dispose(failing, REFERENCE)).rejects.toBe(down);
  });
});
