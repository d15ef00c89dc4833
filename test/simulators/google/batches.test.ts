/** Gemini's batches and files, simulated, driven by Google's own client library. */
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { GoogleGenAI, JobState } from '@google/genai';
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import { linesFile, resultsBy } from '../batches/test-lines.ts';
import { startSimulator, type Simulator } from '../simulator.ts';

let simulator: Simulator;
let google: GoogleGenAI;
let folder: string;
let accounts = 0;

beforeAll(async () => {
  simulator = await startSimulator();
  folder = await mkdtemp(join(tmpdir(), 'flo2-gemini-'));
});
afterAll(async () => {
  await simulator.close();
  await rm(folder, { recursive: true });
});
afterEach(() => simulator.clearBehaviours());

const MODEL = 'gemini-2.5-flash-lite';

const connect = (): GoogleGenAI => {
  accounts += 1;
  return new GoogleGenAI({
    apiKey: `AIza-batch-${accounts}`,
    apiVersion: 'v1beta',
    httpOptions: { baseUrl: simulator.url },
  });
};

const contents = (text: string) => [{ role: 'user', parts: [{ text }] }];
const line = (key: string, request: Record<string, unknown> = {}) => ({
  key,
  request: { contents: contents(`echo: ${key} now`), ...request },
});

const submit = async (lines: readonly unknown[], displayName = 'a batch') => {
  google = connect();
  const file = await google.files.upload({
    file: new Blob([new Uint8Array(linesFile(lines))], { type: 'application/jsonl' }),
    config: { displayName: 'in' },
  });
  expect(file).toMatchObject({ displayName: 'in', state: 'ACTIVE', mimeType: 'application/jsonl' });
  const batch = await google.batches.create({
    model: MODEL,
    src: { fileName: file.name ?? '' },
    config: { displayName },
  });
  return batch.name ?? '';
};

const idOf = (name: string): string => name.slice('batches/'.length);

const untilState = (name: string, state: JobState) =>
  vi.waitFor(
    async () => {
      const batch = await google.batches.get({ name });
      expect(batch.state).toBe(state);
      return batch;
    },
    { timeout: 5_000 },
  );

const download = async (fileName: string | undefined) => {
  const downloadPath = join(folder, 'out.jsonl');
  await google.files.download({ file: fileName ?? 'files/none', downloadPath });
  return readFile(downloadPath, 'utf8');
};

const hold = () =>
  simulator.setBehaviour({
    match: { operation: 'batch_create' },
    behaviour: { hold: 'in_progress' },
    times: 1,
  });

describe('Gemini batches, simulated', () => {
  it('answers the lines of a file as calls would be, in their order, and charges them in the log', async () => {
    const name = await submit([line('a'), line('b', { generationConfig: { maxOutputTokens: 1 } })]);
    const batch = await untilState(name, JobState.JOB_STATE_SUCCEEDED);
    expect(batch).toMatchObject({ displayName: 'a batch', model: `models/${MODEL}` });
    const text = await download(batch.dest?.fileName);
    const results = resultsBy('key', text);
    expect(Object.keys(results)).toEqual(['a', 'b']);
    const direct = await google.models.generateContent({ model: MODEL, contents: contents('echo: a now') });
    expect(results['a']).toMatchObject({
      response: { candidates: direct.candidates, usageMetadata: direct.usageMetadata },
    });
    const charged = simulator.log.batchLines.filter((entry) => entry.batch.id === idOf(name));
    // Hidden reasoning is charged too.
    expect(charged.map((entry) => [entry.batch.customId, entry.tokens.output])).toEqual([
      ['a', simulator.log.calls.at(-1)?.tokens.output],
      ['b', 1],
    ]);
  });

  it('answers requests that come inline', async () => {
    google = connect();
    const { name = '' } = await google.batches.create({
      model: MODEL,
      src: [
        { contents: contents('echo: inline now'), metadata: { key: 'a' } },
        { contents: [{ role: 'nobody', parts: [{ text: 'no role' }] }], metadata: { key: 'b' } },
      ],
      config: { displayName: 'inline' },
    });
    const { dest } = await untilState(name, JobState.JOB_STATE_SUCCEEDED);
    expect(dest?.inlinedResponses).toMatchObject([
      {
        response: { candidates: [{ content: { parts: [{ text: 'inline now' }] } }] },
        metadata: { key: 'a' },
      },
      { error: { code: 3 }, metadata: { key: 'b' } },
    ]);
  });

  it('tells the errors of single lines by their code', async () => {
    simulator.setBehaviour({
      match: { operation: 'batch_line', customIds: ['asked'] },
      behaviour: { status: 503 },
    });
    const name = await submit([line('fine'), line('asked')]);
    const { dest } = await untilState(name, JobState.JOB_STATE_SUCCEEDED);
    expect(resultsBy('key', await download(dest?.fileName))).toMatchObject({
      fine: { response: {} },
      asked: { error: { code: 14 } },
    });
  });

  it('fails a batch whose file cannot be read, and refuses one without a file', async () => {
    const name = await submit([line('a'), '{"key": "b"}']);
    await untilState(name, JobState.JOB_STATE_FAILED);
    const missing = google.batches.create({
      model: MODEL,
      src: { fileName: 'files/none' },
      config: { displayName: 'missing' },
    });
    await expect(missing).rejects.toMatchObject({ status: 403 });
  });

  it('cancels with what was answered kept, and the rest told as cancelled', async () => {
    hold();
    const name = await submit([line('a'), line('b')]);
    await untilState(name, JobState.JOB_STATE_RUNNING);
    await simulator.batches.advance({ id: idOf(name), lines: 1 });
    await google.batches.cancel({ name });
    await simulator.batches.advance({ id: idOf(name), lines: 0 });
    const { dest } = await untilState(name, JobState.JOB_STATE_CANCELLED);
    expect(resultsBy('key', await download(dest?.fileName))).toMatchObject({
      a: { response: {} },
      b: { error: { code: 1 } },
    });
  });

  it('has no results of a batch that expired, and charges none', async () => {
    hold();
    const name = await submit([line('a'), line('b')]);
    await simulator.batches.advance({ id: idOf(name), lines: 1 });
    simulator.batches.expire({ id: idOf(name) });
    const { dest } = await untilState(name, JobState.JOB_STATE_EXPIRED);
    expect(dest).toBeUndefined();
    const charged = simulator.log.batchLines.filter((entry) => entry.batch.id === idOf(name));
    expect(charged.map(({ tokens }) => tokens)).toEqual([{}]);
  });

  it('lists page by page, deletes, and does not tell of the file of results', async () => {
    const first = await submit([line('a')], 'first');
    const { dest } = await untilState(first, JobState.JOB_STATE_SUCCEEDED);
    await expect(google.files.get({ name: dest?.fileName ?? '' })).rejects.toThrow(/more than 40 characters/);
    await google.batches.create({
      model: MODEL,
      src: [{ contents: contents('hi') }],
      config: { displayName: 'second' },
    });
    const names: (string | undefined)[] = [];
    const pager = await google.batches.list({ config: { pageSize: 1 } });
    for await (const { displayName } of pager) names.push(displayName);
    expect(names).toEqual(['second', 'first']);
    await google.batches.delete({ name: first });
    await expect(google.batches.get({ name: first })).rejects.toMatchObject({ status: 404 });
  });
});
