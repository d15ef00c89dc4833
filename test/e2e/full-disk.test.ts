/**
 * Postgres without room: its tables refuse what is written with the error that it gives for a full disk. What is
 * asked is refused in words, what was taken on waits, and nothing is lost.
 */
import OpenAI, { toFile } from 'openai';
import { Client } from 'pg';
import { afterAll, afterEach, beforeAll, expect, it, vi } from 'vitest';
import { startStack, type Stack } from '#test/support/stack';
import type { TestTenant } from '#test/support/tenant';

const LINES = 8;
/** A key that nothing is known of is called a few times at first: of two, enough for all lines. */
const MODELS = ['openai/gpt-4o-mini-sim-tokens-4', 'anthropic/claude-haiku-4-5-sim-tokens-4'];
const WAIT = { timeout: 60_000, interval: 50 };
vi.setConfig({ testTimeout: 120_000 });

let stack: Stack;
let tenant: TestTenant;
let client: OpenAI;
let database: Client;

beforeAll(async () => {
  stack = await startStack();
  tenant = await stack.createTenant();
  client = new OpenAI({ apiKey: tenant.apiKey, baseURL: `${stack.flo2.url}/v1` });
  database = new Client({ connectionString: stack.databaseUrl });
  await database.connect();
  // A sequence counts what is rolled back too.
  await database.query(`
    create sequence refusals;
    select nextval('refusals');
    grant usage on sequence refusals to public;
    create function refuse_for_space() returns trigger language plpgsql as $$ begin
      perform nextval('refusals');
      raise exception 'could not extend file: No space left on device' using errcode = 'disk_full';
    end $$`);
});
afterEach(() => makeRoom());
afterAll(async () => {
  await database.end();
  await stack.close();
});

let full: string[] = [];
const makeRoom = async (): Promise<void> => {
  for (const table of full) await database.query(`drop trigger full_disk on ${table}`);
  full = [];
};
const fill = async (writes: 'insert' | 'update', ...tables: string[]): Promise<void> => {
  for (const table of tables) {
    await database.query(
      `create trigger full_disk before ${writes} on ${table} execute function refuse_for_space()`,
    );
    full.push(table);
  }
};
const refusals = async (): Promise<number> =>
  Number((await database.query('select last_value from refusals')).rows[0].last_value);
/** Until so many more writes were refused. */
const refused = async (count: number): Promise<void> => {
  const before = await refusals();
  await vi.waitFor(async () => expect((await refusals()) - before).toBeGreaterThanOrEqual(count), WAIT);
};

const upload = async (text: string) =>
  client.files.create({ purpose: 'batch', file: await toFile(Buffer.from(text), 'lines.jsonl') });

const post = async (path: string, body: object) => {
  const answer = await fetch(`${stack.flo2.url}${path}`, {
    method: 'POST',
    headers: { authorization: `Bearer ${tenant.apiKey}`, 'content-type': 'application/json' },
    body: JSON.stringify(body),
  });
  const retry = answer.headers.get('x-should-retry');
  return { status: answer.status, retry, json: (await answer.json()) as object };
};

it('refuses an upload in words, once, keeps nothing of it, and takes it when there is room', async () => {
  await fill('insert', 'file_part');
  const before = await refusals();
  await expect(upload('a line')).rejects.toMatchObject({
    status: 507,
    code: 'storage_full',
    message: expect.stringContaining('has to make room') as unknown,
  });
  // The client library does not send it again by itself.
  expect(await refusals()).toBe(before + 1);
  expect((await client.files.list()).data).toEqual([]);
  await makeRoom();
  const { id } = await upload('a line');
  expect(await (await client.files.content(id)).text()).toBe('a line');
  await client.files.delete(id);
});

it('refuses jobs and message batches, each in its dialect', async () => {
  await fill('insert', 'work_item', 'batch');
  const body = { model: 'openai/gpt-4o-mini', messages: [{ role: 'user', content: 'Hi.' }] };
  expect(await post('/v1/jobs', { endpoint: '/v1/chat/completions', body })).toMatchObject({
    status: 507,
    json: { error: { code: 'storage_full' } },
  });
  const params = { ...body, model: 'anthropic/claude-haiku-4-5', max_tokens: 5 };
  expect(await post('/v1/messages/batches', { requests: [{ custom_id: 'a', params }] })).toMatchObject({
    status: 507,
    retry: 'false',
    json: { type: 'error', error: { type: 'api_error' } },
  });
});

it('holds a batch up for as long as nothing can be written, and loses and repeats nothing of it', async () => {
  const lines = Array.from({ length: LINES }, (_, index) =>
    JSON.stringify({
      custom_id: `line-${index}`,
      method: 'POST',
      url: '/v1/chat/completions',
      body: {
        model: MODELS[index % MODELS.length],
        messages: [{ role: 'user', content: `echo: ${index}` }],
      },
    }),
  );
  const file = await upload(lines.join('\n'));
  const calls = () =>
    stack.simulator.log.attempts.filter(
      ({ credential, method }) => method === 'POST' && tenant.providerSecrets.includes(credential ?? ''),
    );

  await fill('insert', 'work_item');
  const { id } = await client.batches.create({
    input_file_id: file.id,
    endpoint: '/v1/chat/completions',
    completion_window: '24h',
  });
  await refused(2);
  expect((await client.batches.retrieve(id)).status).toBe('validating');

  await makeRoom();
  await fill('insert', 'work_answer', 'usage_event');
  await vi.waitFor(() => expect(calls()).toHaveLength(LINES), WAIT);
  await refused(4);
  expect(await client.batches.retrieve(id)).toMatchObject({
    status: 'in_progress',
    request_counts: { total: LINES, completed: 0, failed: 0 },
  });

  await makeRoom();
  await vi.waitFor(async () => expect((await client.batches.retrieve(id)).status).toBe('completed'), WAIT);
  const done = await client.batches.retrieve(id);
  expect(done.request_counts).toEqual({ total: LINES, completed: LINES, failed: 0 });
  const output = await (await client.files.content(done.output_file_id ?? '')).text();
  const ids = output
    .trim()
    .split('\n')
    .map((line) => (JSON.parse(line) as { custom_id: string }).custom_id);
  expect(ids.toSorted()).toEqual(Array.from({ length: LINES }, (_, index) => `line-${index}`).toSorted());
  expect(calls()).toHaveLength(LINES);
  await vi.waitFor(async () => {
    const { rows } = await database.query(
      'select count(*)::int as rows, count(distinct attempt_id)::int as attempts from usage_event',
    );
    expect(rows).toEqual([{ rows: LINES, attempts: LINES }]);
  }, WAIT);
});

it('claims what it could not claim before', async () => {
  await fill('update', 'work_item');
  const before = await refusals();
  const body = { model: 'openai/gpt-4o-mini', messages: [{ role: 'user', content: 'echo: at last' }] };
  const { json } = await post('/v1/jobs', { endpoint: '/v1/chat/completions', body });
  const { id } = json as { id: string };
  await vi.waitFor(async () => expect(await refusals()).toBeGreaterThanOrEqual(before + 2), WAIT);
  await makeRoom();
  const answer = await fetch(`${stack.flo2.url}/v1/jobs/${id}?wait=30`, {
    headers: { authorization: `Bearer ${tenant.apiKey}` },
  });
  expect(await answer.json()).toMatchObject({ status: 'completed', attempts: 1 });
});
