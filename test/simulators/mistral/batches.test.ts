/** Mistral's batch jobs, simulated, driven by its own client library. */
import { Mistral } from '@mistralai/mistralai';
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import { linesFile, resultsBy } from '../batches/test-lines.ts';
import { startSimulator, type Simulator } from '../simulator.ts';

let simulator: Simulator;
let mistral: Mistral;
let accounts = 0;

beforeAll(async () => {
  simulator = await startSimulator();
});
afterAll(() => simulator.close());
afterEach(() => simulator.clearBehaviours());

const MODEL = 'mistral-small-latest';
const ENDPOINT = '/v1/chat/completions';

const request = (customId: string, body: Record<string, unknown> = {}) => ({
  custom_id: customId,
  body: { messages: [{ role: 'user', content: `echo: ${customId} now` }], ...body },
});

const connect = (): Mistral => {
  accounts += 1;
  return new Mistral({ apiKey: `mistral-batch-${accounts}`, serverURL: `${simulator.url}/mistral` });
};

const submit = async (lines: readonly unknown[]) => {
  mistral = connect();
  const content = new Uint8Array(linesFile(lines));
  const file = await mistral.files.upload({ file: { fileName: 'in.jsonl', content }, purpose: 'batch' });
  expect(file).toMatchObject({ sizeBytes: content.length, numLines: lines.length, purpose: 'batch' });
  return mistral.batch.jobs.create({
    inputFiles: [file.id],
    endpoint: ENDPOINT,
    model: MODEL,
    metadata: { intent: 'i-1' },
    timeoutHours: 24,
  });
};

const untilStatus = (jobId: string, status: string) =>
  vi.waitFor(
    async () => {
      const job = await mistral.batch.jobs.get({ jobId });
      expect(job.status).toBe(status);
      return job;
    },
    { timeout: 5_000 },
  );

const download = async (fileId: string | null | undefined) => {
  const stream = await mistral.files.download({ fileId: fileId ?? 'none' });
  return resultsBy('custom_id', await new Response(stream).text());
};

const hold = () =>
  simulator.setBehaviour({
    match: { operation: 'batch_create' },
    behaviour: { hold: 'in_progress' },
    times: 1,
  });

describe('Mistral batch jobs, simulated', () => {
  it('answers every line with the model of the job and charges it in the log', async () => {
    const created = await submit([request('a'), request('b', { max_tokens: 1 })]);
    expect(created).toMatchObject({ status: 'QUEUED', metadata: { intent: 'i-1' }, totalRequests: 2 });
    const job = await untilStatus(created.id, 'SUCCESS');
    expect(job).toMatchObject({ succeededRequests: 2, failedRequests: 0, errorFile: null });
    const results = await download(job.outputFile);
    expect(results['a']).toMatchObject({
      error: null,
      response: { status_code: 200, body: { model: MODEL, choices: [{ message: { content: 'a now' } }] } },
    });
    const charged = simulator.log.batchLines.filter((line) => line.batch.id === created.id);
    expect(charged.map((line) => [line.batch.customId, line.tokens.output])).toEqual([
      ['a', 2],
      ['b', 1],
    ]);
  });

  it('puts lines that fail into a file of their own', async () => {
    simulator.setBehaviour({
      match: { operation: 'batch_line', customIds: ['asked'] },
      behaviour: { status: 500 },
    });
    const { id } = await submit([request('fine'), request('asked'), request('refused', { unknown: 1 })]);
    const job = await untilStatus(id, 'SUCCESS');
    expect(job).toMatchObject({ completedRequests: 3, succeededRequests: 1, failedRequests: 2 });
    expect(Object.keys(await download(job.outputFile))).toEqual(['fine']);
    expect(await download(job.errorFile)).toMatchObject({
      asked: { response: { status_code: 500 } },
      refused: { response: { status_code: 422 } },
    });
  });

  it('takes requests inline and gives their answers inline', async () => {
    mistral = connect();
    const created = await mistral.batch.jobs.create({
      requests: [{ customId: 'a', body: request('a').body }],
      endpoint: ENDPOINT,
      model: MODEL,
    });
    await untilStatus(created.id, 'SUCCESS');
    const job = await mistral.batch.jobs.get({ jobId: created.id, inline: true });
    expect(job.outputs).toMatchObject([{ custom_id: 'a', response: { status_code: 200 } }]);
  });

  it('fails a job whose lines cannot be read, and refuses one without its file', async () => {
    const { id } = await submit([request('a'), request('a')]);
    const job = await untilStatus(id, 'FAILED');
    expect(job.errors).toMatchObject([{ count: 1 }]);
    const missing = mistral.batch.jobs.create({ inputFiles: ['none'], endpoint: ENDPOINT, model: MODEL });
    await expect(missing).rejects.toMatchObject({ statusCode: 404 });
  });

  it('cancels, and exceeds its time, with what was answered kept', async () => {
    hold();
    const { id } = await submit([request('a'), request('b')]);
    await untilStatus(id, 'RUNNING');
    await simulator.batches.advance({ id, lines: 1 });
    expect((await mistral.batch.jobs.cancel({ jobId: id })).status).toBe('CANCELLATION_REQUESTED');
    await simulator.batches.advance({ id, lines: 0 });
    const cancelled = await untilStatus(id, 'CANCELLED');
    expect(Object.keys(await download(cancelled.outputFile))).toEqual(['a']);

    hold();
    const second = await submit([request('a'), request('b')]);
    await simulator.batches.advance({ id: second.id, lines: 1 });
    simulator.batches.expire({ id: second.id });
    const late = await untilStatus(second.id, 'TIMEOUT_EXCEEDED');
    expect(Object.keys(await download(late.outputFile))).toEqual(['a']);
  });

  it('lists, the newest first, with filters, and deletes', async () => {
    const first = await submit([request('a')]);
    await untilStatus(first.id, 'SUCCESS');
    const second = await mistral.batch.jobs.create({
      requests: [{ customId: 'b', body: request('b').body }],
      endpoint: ENDPOINT,
      model: 'ministral-8b-latest',
    });
    const ids = async (query: Parameters<typeof mistral.batch.jobs.list>[0]) =>
      (await mistral.batch.jobs.list(query)).data?.map(({ id }) => id);
    expect(await ids({})).toEqual([second.id, first.id]);
    expect(await ids({ model: MODEL })).toEqual([first.id]);
    expect(await ids({ pageSize: 1, page: 1 })).toEqual([first.id]);
    await mistral.batch.jobs.delete({ jobId: first.id });
    expect(await ids({})).toEqual([second.id]);
    const files = await mistral.files.list({ purpose: 'batch' });
    expect(files.data.length).toBeGreaterThan(0);
    const [file] = files.data;
    expect(await mistral.files.delete({ fileId: file?.id ?? '' })).toMatchObject({ deleted: true });
  });
});
