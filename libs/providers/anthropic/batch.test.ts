import { describe, expect, it } from 'vitest';
import { scriptedHttp } from '#test/conformance/scripted-batch-http';
import type { NativeBatchLineResult } from '../native-batch.ts';
import { anthropicBatch } from './batch.ts';

const BASE = 'https://api.anthropic.com';
const PATH = '/v1/messages/batches';
const CREATED_MS = Date.parse('2026-11-24T12:00:00Z');

/** As the reference shows one. */
const batch = (fields: Record<string, unknown> = {}) => ({
  id: 'msgbatch_013Zva2CMHLNnXjNJJKqJ2EF',
  type: 'message_batch',
  processing_status: 'in_progress',
  request_counts: { processing: 2, succeeded: 0, errored: 0, canceled: 0, expired: 0 },
  ended_at: null,
  created_at: '2026-11-24T12:00:01.100435Z',
  expires_at: '2026-11-25T12:00:01.100435Z',
  archived_at: null,
  cancel_initiated_at: null,
  results_url: null,
  ...fields,
});

const intent = {
  id: 'nbat_1',
  model: 'claude-haiku-4-5',
  path: '/v1/messages',
  headers: { 'anthropic-version': '2023-06-01', 'anthropic-beta': 'context-1m-2025-08-07' },
  lineCount: 2,
  createdAtMs: CREATED_MS,
  windowHours: 24,
};
const OTHERS = { known: new Set<string>(), customIds: new Set(['a', 'b']) };
const page = (batches: readonly unknown[], more = false) => ({
  data: batches,
  has_more: more,
  first_id: null,
  last_id: null,
});

const resultsOf = async (lines: readonly unknown[]): Promise<NativeBatchLineResult[]> => {
  const http = scriptedHttp(BASE, { [`GET ${PATH}/msgbatch_1/results`]: { lines } });
  const results: NativeBatchLineResult[] = [];
  for await (const result of anthropicBatch.results(http, { id: 'msgbatch_1', parts: {} }))
    results.push(result);
  return results;
};

describe('message batches', () => {
  it('sends the lines as a list, with the headers that they share', async () => {
    const http = scriptedHttp(BASE, { [`POST ${PATH}`]: { body: batch() } });
    const lines = ['a', 'b'].map((customId) =>
      anthropicBatch.encodeLine({
        customId,
        call: { path: '/v1/messages', headers: {}, body: Buffer.from('{\n "model": "m"\n}') },
      }),
    );
    const jsonl = Buffer.concat(lines.flatMap((line) => [line, Buffer.from('\n')]));
    const reference = await anthropicBatch.create(http, intent, jsonl);
    expect(reference).toEqual({ id: 'msgbatch_013Zva2CMHLNnXjNJJKqJ2EF', parts: {} });
    const [call] = http.calls;
    expect(call?.headers).toMatchObject({ ...intent.headers, 'content-type': 'application/json' });
    expect(JSON.parse(Buffer.from(call?.body ?? []).toString())).toEqual({
      requests: [
        { custom_id: 'a', params: { model: 'm' } },
        { custom_id: 'b', params: { model: 'm' } },
      ],
    });
  });

  it('counts all requests while they are processed, and ends whatever came of them', async () => {
    const counts = { processing: 0, succeeded: 1, errored: 1, canceled: 1, expired: 1 };
    for (const [told, state, expected] of [
      [batch(), 'pending', { total: 2, succeeded: 0, failed: 0 }],
      [batch({ processing_status: 'canceling' }), 'pending', { total: 2, succeeded: 0, failed: 0 }],
      [
        batch({ processing_status: 'ended', request_counts: counts }),
        'ended',
        { total: 4, succeeded: 1, failed: 1 },
      ],
      [{ processing_status: 'something new' }, 'pending', { total: 0, succeeded: 0, failed: 0 }],
      [
        { processing_status: 'ended', request_counts: { succeeded: -1, errored: '7' } },
        'ended',
        { total: 0, succeeded: 0, failed: 0 },
      ],
    ] as const) {
      const http = scriptedHttp(BASE, { [`GET ${PATH}/msgbatch_1`]: { body: told } });
      const observed = await anthropicBatch.poll(http, { id: 'msgbatch_1', parts: {} });
      expect(observed).toMatchObject({ state, counts: expected });
    }
  });

  it('reads each kind of result', async () => {
    const error = (type: string) => ({ type: 'error', error: { type, message: 'no' }, request_id: 'req_1' });
    const results = await resultsOf([
      { custom_id: 'ok', result: { type: 'succeeded', message: { id: 'msg_1', usage: {} } } },
      { custom_id: 'bad', result: { type: 'errored', error: error('invalid_request_error') } },
      { custom_id: 'busy', result: { type: 'errored', error: error('overloaded_error') } },
      { custom_id: 'odd', result: { type: 'errored', error: error('some_new_error') } },
      { custom_id: 'stopped', result: { type: 'canceled' } },
      { custom_id: 'late', result: { type: 'expired' } },
      { custom_id: 'new', result: { type: 'postponed' } },
      { custom_id: 7, result: { type: 'expired' } },
    ]);
    expect(
      results.map((result) => [result.customId, 'status' in result ? result.status : result.reason]),
    ).toEqual([
      ['ok', 200],
      ['bad', 400],
      ['busy', 529],
      ['odd', 500],
      ['stopped', 'cancelled'],
      ['late', 'expired'],
      ['new', 502],
    ]);
    expect(results[1]).toMatchObject({ upstreamRequestId: 'req_1' });
  });

  it('rejects results that are no lines of JSON, without what they hold', async () => {
    await expect(resultsOf(['<html>secret</html>'])).rejects.toMatchObject({ code: 'malformed_answer' });
    await expect(resultsOf(['<html>secret</html>'])).rejects.not.toThrow(/secret/);
  });
});

describe('the search for a message batch', () => {
  const ended = (id: string, fields: Record<string, unknown> = {}) =>
    batch({
      id,
      processing_status: 'ended',
      request_counts: { processing: 0, succeeded: 2, errored: 0, canceled: 0, expired: 0 },
      ...fields,
    });
  const results = (customId: string) => ({ lines: [{ custom_id: customId, result: { type: 'expired' } }] });

  it('looks into those alone that are new, as large, and nobody else’s', async () => {
    const http = scriptedHttp(BASE, {
      [`GET ${PATH}`]: {
        body: page([
          ended('msgbatch_larger', { request_counts: { succeeded: 3 } }),
          ended('msgbatch_known'),
          ended('msgbatch_foreign'),
          ended('msgbatch_ours'),
          ended('msgbatch_old', { created_at: '2026-11-24T11:00:00Z' }),
        ]),
      },
      [`GET ${PATH}/msgbatch_foreign/results`]: results('x'),
      [`GET ${PATH}/msgbatch_ours/results`]: results('b'),
    });
    const others = { ...OTHERS, known: new Set(['msgbatch_known']) };
    expect(await anthropicBatch.find(http, intent, others)).toEqual({
      kind: 'found',
      references: [{ id: 'msgbatch_ours', parts: {} }],
    });
  });

  it('cannot tell while one that may be it is processed', async () => {
    const http = scriptedHttp(BASE, { [`GET ${PATH}`]: { body: page([batch()]) } });
    expect(await anthropicBatch.find(http, intent, OTHERS)).toEqual({ kind: 'undecided' });
  });

  it('stops at a page of old ones, and gives up after many pages', async () => {
    const old = batch({ created_at: '2026-11-24T11:00:00Z' });
    const http = scriptedHttp(BASE, { [`GET ${PATH}`]: { body: page([old], true) } });
    expect(await anthropicBatch.find(http, intent, OTHERS)).toEqual({ kind: 'absent' });
    expect(http.calls).toHaveLength(1);
    let pages = 0;
    const endless = scriptedHttp(BASE, {
      [`GET ${PATH}`]: () => ({
        body: page([ended(`msgbatch_${(pages += 1)}`, { request_counts: {} })], true),
      }),
    });
    expect(await anthropicBatch.find(endless, intent, OTHERS)).toEqual({ kind: 'undecided' });
    expect(endless.calls).toHaveLength(50);
  });

  it('rejects a list that is none', async () => {
    const http = scriptedHttp(BASE, { [`GET ${PATH}`]: { body: { data: null } } });
    await expect(anthropicBatch.find(http, intent, OTHERS)).rejects.toMatchObject({
      code: 'malformed_answer',
    });
  });
});
