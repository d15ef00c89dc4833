/** Every driver of a provider's own batch API, against that API as it is simulated. */
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import { nativeBatchOf } from '#providers/native-batch-registry';
import { anthropic } from '#providers/anthropic/anthropic';
import { google } from '#providers/google/google';
import { groq } from '#providers/groq/groq';
import { mistral } from '#providers/mistral/mistral';
import type {
  NativeBatchHttp,
  NativeBatchIntent,
  NativeBatchLineResult,
  NativeBatchProvider,
  NativeBatchReference,
} from '#providers/native-batch';
import { openai } from '#providers/openai/openai';
import type { Provider } from '#providers/provider';
import { simulatedBaseUrl, simulatedSecret } from '#test/simulators/base-urls';
import { startSimulator, type Simulator } from '#test/simulators/simulator';
import { callProvider } from './native-batch-http.ts';

type Case = { id: 'openai' | 'anthropic' | 'google' | 'mistral' | 'groq'; provider: Provider; model: string };

const CASES: Case[] = [
  { id: 'openai', provider: openai, model: 'gpt-4o-mini' },
  { id: 'anthropic', provider: anthropic, model: 'claude-haiku-4-5' },
  { id: 'google', provider: google, model: 'gemini-2.5-flash-lite' },
  { id: 'mistral', provider: mistral, model: 'mistral-small-latest' },
  { id: 'groq', provider: groq, model: 'llama-3.3-70b-versatile' },
];

/** A call as the provider's own dialect writes it. */
const callOf = ({ id, model }: Case, text: string) => {
  const headers = { 'content-type': 'application/json' };
  const messages = [{ role: 'user', content: text }];
  const at = (path: string, body: unknown) => ({
    path,
    headers,
    body: Buffer.from(JSON.stringify(body, null, 1)),
  });
  if (id === 'anthropic') return at('/v1/messages', { model, max_tokens: 100, messages });
  if (id === 'google')
    return at(`/models/${model}:generateContent`, { contents: [{ role: 'user', parts: [{ text }] }] });
  return at('/chat/completions', { model, messages });
};

let simulator: Simulator;
let made = 0;

beforeAll(async () => {
  simulator = await startSimulator();
});
afterAll(() => simulator.close());
afterEach(() => simulator.clearBehaviours());

type Prepared = {
  driver: NativeBatchProvider;
  http: NativeBatchHttp;
  intent: NativeBatchIntent;
  jsonl: Uint8Array;
  customIds: Set<string>;
};

/** An account of its own, and a batch of lines about to be made there. */
const prepare = (one: Case, names: readonly string[] = ['line_a', 'line_b', 'line_c']): Prepared => {
  made += 1;
  const driver = nativeBatchOf(one.id);
  if (driver === null) throw new Error(`no driver for ${one.id}`);
  const http = callProvider(
    one.provider,
    simulatedBaseUrl(simulator.url, one.id),
    simulatedSecret(one.id, `native-${made}`),
  );
  const { path, headers } = callOf(one, '');
  expect(driver.takes(path)).toBe(true);
  const encoded = names.map((customId) =>
    driver.encodeLine({ customId, call: callOf(one, `echo: ${customId} now`) }),
  );
  const jsonl = Buffer.concat(encoded.flatMap((line) => [line, Buffer.from('\n')]));
  const intent = {
    id: `nbat_${made}`,
    model: one.model,
    path,
    headers,
    lineCount: names.length,
    createdAtMs: Date.now(),
    windowHours: 24,
  };
  return { driver, http, intent, jsonl, customIds: new Set(names) };
};

const create = ({ driver, http, intent, jsonl }: Prepared): Promise<NativeBatchReference> =>
  driver.create(http, intent, jsonl);

const untilState = ({ driver, http }: Prepared, reference: NativeBatchReference, state: string) =>
  vi.waitFor(
    async () => {
      const observed = await driver.poll(http, reference);
      expect(observed.state).toBe(state);
      return observed;
    },
    { timeout: 5_000 },
  );

const resultsOf = async ({ driver, http }: Prepared, reference: NativeBatchReference) => {
  const results: Record<string, NativeBatchLineResult> = {};
  for await (const result of driver.results(http, reference)) {
    expect(results[result.customId]).toBeUndefined();
    results[result.customId] = result;
  }
  return results;
};

const hold = () =>
  simulator.setBehaviour({
    match: { operation: 'batch_create' },
    behaviour: { hold: 'in_progress' },
    times: 1,
  });

/** The simulated batch; Google's name of it begins with its collection. */
const idOf = ({ id }: NativeBatchReference): string => id.replace(/^batches\//, '');

/** A class that is not there is a zero. */
const countsOf = (tokens: object): Record<string, number> =>
  Object.fromEntries(Object.entries(tokens).filter(([, count]) => Number(count) > 0));

describe.each(CASES)('the batch driver of $id', (one) => {
  it('makes a batch, sees it end and reads each answer as it was charged', async () => {
    const batch = prepare(one);
    hold();
    const reference = await create(batch);
    const pending = await untilState(batch, reference, 'pending');
    expect(pending.counts?.total ?? 3).toBe(3);
    await simulator.batches.advance({ id: idOf(reference) });
    const ended = await untilState(batch, reference, 'ended');
    expect(ended.counts).toEqual({ total: 3, succeeded: 3, failed: 0 });
    const results = await resultsOf(batch, ended.reference);
    expect(Object.keys(results).toSorted()).toEqual(['line_a', 'line_b', 'line_c']);
    const charged = simulator.log.batchLines.filter((line) => line.batch.id === idOf(reference));
    for (const { batch: line, tokens } of charged) {
      const result = results[line.customId];
      if (result?.kind !== 'answered') throw new Error(`${line.customId} has no answer`);
      expect(result.status).toBe(200);
      const facts = one.provider.wires[0]?.readAnswer(result.body);
      // Reasoning is a part of the output.
      const { reasoning: _reasoning, ...classes } = tokens;
      expect(countsOf(facts?.usage.tokens ?? {})).toEqual(countsOf(classes));
    }
    // What is read once may be read again.
    expect(Object.keys(await resultsOf(batch, ended.reference))).toHaveLength(3);
  });

  it('hands over what failed with a status and the body of an error', async () => {
    const batch = prepare(one);
    simulator.setBehaviour({
      match: { operation: 'batch_line', customIds: ['line_b'] },
      behaviour: { status: 503 },
    });
    const { reference, counts } = await untilState(batch, await create(batch), 'ended');
    expect(counts).toEqual({ total: 3, succeeded: 2, failed: 1 });
    const { line_b: failed } = await resultsOf(batch, reference);
    if (failed?.kind !== 'answered') throw new Error('the line has no answer');
    const { status, body } = failed;
    expect(status).toBeGreaterThanOrEqual(500);
    const error = one.provider.decodeError({ status, headers: {}, body, nowMs: 0 });
    expect(['server', 'overloaded']).toContain(error.code);
  });

  it('cancels, twice, with the answers so far kept and the rest not run', async () => {
    const batch = prepare(one);
    hold();
    const reference = await create(batch);
    await simulator.batches.advance({ id: idOf(reference), lines: 1 });
    await batch.driver.cancel(batch.http, reference);
    await untilState(batch, reference, 'pending');
    await simulator.batches.advance({ id: idOf(reference), lines: 1 });
    const ended = await untilState(batch, reference, 'ended');
    await batch.driver.cancel(batch.http, reference);
    const results = await resultsOf(batch, ended.reference);
    expect([results['line_a']?.kind, results['line_b']?.kind]).toEqual(['answered', 'answered']);
    expect(results['line_c']?.kind ?? 'not_run').toBe('not_run');
  });

  it('reads what there is of a batch that expired', async () => {
    const batch = prepare(one);
    hold();
    const reference = await create(batch);
    await simulator.batches.advance({ id: idOf(reference), lines: 1 });
    simulator.batches.expire({ id: idOf(reference) });
    const ended = await untilState(batch, reference, 'ended');
    const results = await resultsOf(batch, ended.reference);
    const charged = simulator.log.batchLines.filter(
      (line) => line.batch.id === idOf(reference) && Object.keys(line.tokens).length > 0,
    );
    const answered = Object.values(results).filter(({ kind }) => kind === 'answered');
    expect(answered.map(({ customId }) => customId)).toEqual(charged.map((line) => line.batch.customId));
    expect(answered).toHaveLength(one.id === 'google' ? 0 : 1);
  });

  it('finds the batch of a create whose answer was lost, and no other', async () => {
    const batch = prepare(one);
    const { driver, http, intent, customIds } = batch;
    expect(await driver.find(http, intent, { known: new Set(), customIds })).toEqual({ kind: 'absent' });
    simulator.setBehaviour({
      match: { operation: 'batch_create' },
      behaviour: { hold: 'in_progress', loseAnswer: true },
      times: 1,
    });
    await expect(create(batch)).rejects.toMatchObject({ code: 'cut_stream' });
    // Anthropic's shows what it holds when it has ended.
    const early = await driver.find(http, intent, { known: new Set(), customIds });
    expect(early.kind).toBe(one.id === 'anthropic' ? 'undecided' : 'found');
    const [lost] = simulator.batches.all({ provider: one.id }).slice(-1);
    await simulator.batches.advance({ id: lost?.id ?? 'none' });
    const search = await driver.find(http, intent, { known: new Set(), customIds });
    if (search.kind !== 'found') throw new Error(`the batch is ${search.kind}`);
    expect(search.references.map(idOf)).toEqual([lost?.id]);
    const { reference } = await untilState(batch, search.references[0], 'ended');
    expect(Object.keys(await resultsOf(batch, reference))).toHaveLength(3);
    const other = { ...intent, id: 'nbat_other' };
    const others = { known: new Set<string>(), customIds: new Set(['line_x']) };
    expect(await driver.find(http, other, others)).toEqual({ kind: 'absent' });
  });

  it('passes failures of polls on', async () => {
    const batch = prepare(one);
    const reference = await create(batch);
    simulator.setBehaviour({ match: { operation: 'batch_get' }, behaviour: { status: 500 }, times: 1 });
    await expect(batch.driver.poll(batch.http, reference)).rejects.toMatchObject({ upstreamStatus: 500 });
    await untilState(batch, reference, 'ended');
  });

  it('leaves nothing behind that can be deleted, asked twice', async () => {
    const batch = prepare(one);
    const { reference } = await untilState(batch, await create(batch), 'ended');
    await batch.driver.dispose(batch.http, reference);
    await batch.driver.dispose(batch.http, reference);
    const gone = resultsOf(batch, reference);
    // Google's file of results goes later, by itself.
    if (one.id === 'google') await gone;
    else await expect(gone).rejects.toMatchObject({ upstreamStatus: 404 });
  });
});

describe.each(CASES.filter(({ id }) => id !== 'anthropic'))('the batch driver of $id', (one) => {
  it('says why a batch was refused, of which nothing was run', async () => {
    const batch = prepare(one, ['line_a', 'line_a']);
    const reference = await create(batch);
    if (one.id === 'google') {
      // Its lines may share a key; the file as a whole is refused for what a test asks.
      await untilState(batch, reference, 'ended');
      simulator.setBehaviour({ match: { operation: 'batch_validation' }, behaviour: { status: 400 } });
      const refused = await untilState(batch, await create(batch), 'refused');
      expect(refused.errors).toHaveLength(1);
      return;
    }
    const refused = await untilState(batch, reference, 'refused');
    expect(refused.errors.join(' ')).toMatch(/custom_id/);
    expect(simulator.log.batchLines.filter((line) => line.batch.id === idOf(reference))).toEqual([]);
  });
});
