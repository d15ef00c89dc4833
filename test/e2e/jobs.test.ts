import { createHmac } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { z } from 'zod';
import { startStack, type Stack } from '#test/support/stack';
import { startWebhookReceiver } from '#test/support/webhook-receiver';
import { callControl, type TestTenant } from '#test/support/tenant';

const jobSchema = z.looseObject({
  id: z.string(),
  object: z.literal('job'),
  status: z.string(),
  request_id: z.string(),
  attempts: z.number(),
  metadata: z.record(z.string(), z.string()),
  response: z.looseObject({ status_code: z.number(), body: z.looseObject({}) }).nullable(),
  error: z.looseObject({ code: z.string() }).nullable(),
  result_forgotten_at: z.string().nullable(),
});
type Job = z.infer<typeof jobSchema>;

let stack: Stack;
let tenant: TestTenant;

beforeAll(async () => {
  stack = await startStack();
  tenant = await stack.createTenant();
});
afterAll(() => stack.close());

const call = async (
  method: 'GET' | 'POST',
  path: string,
  body?: object,
  headers: Record<string, string> = {},
  apiKey = tenant.apiKey,
) => {
  const answer = await fetch(`${stack.flo2.url}${path}`, {
    method,
    headers: { authorization: `Bearer ${apiKey}`, 'content-type': 'application/json', ...headers },
    ...(body !== undefined && { body: JSON.stringify(body) }),
  });
  return { status: answer.status, json: await answer.json() };
};

const chat = (text: string, model = 'openai/gpt-4o-mini') => ({
  endpoint: '/v1/chat/completions',
  body: { model, messages: [{ role: 'user', content: text }] },
});

const submit = async (body: object, headers?: Record<string, string>): Promise<Job> => {
  const { status, json } = await call('POST', '/v1/jobs', body, headers);
  expect(status, JSON.stringify(json)).toBe(202);
  return jobSchema.parse(json);
};

const awaitEnd = async (id: string): Promise<Job> =>
  jobSchema.parse((await call('GET', `/v1/jobs/${id}?wait=20`)).json);

describe('a job', () => {
  it('is taken on at once, answered later, and accounted to the lane of jobs', async () => {
    const job = await submit({ ...chat('Say hello.'), metadata: { ticket: '7' } });
    expect(job).toMatchObject({ status: 'queued', metadata: { ticket: '7' }, response: null });
    const ended = await awaitEnd(job.id);
    expect(ended).toMatchObject({ status: 'completed', attempts: 1, error: null });
    expect(ended.response?.body).toMatchObject({ object: 'chat.completion' });
    const [attempt] = await stack.attemptsOf(job.request_id, 1);
    expect(attempt).toMatchObject({ outcome: 'succeeded', usage_source: 'provider' });
    expect(attempt?.['lane'] ?? 'async').toBe('async');
  });

  it('may be in any dialect, and led to any provider', async () => {
    const job = await submit({
      endpoint: '/v1/messages',
      body: { model: 'openai/gpt-4o-mini', max_tokens: 50, messages: [{ role: 'user', content: 'Hi.' }] },
    });
    const ended = await awaitEnd(job.id);
    expect(ended.response?.body).toMatchObject({ type: 'message', role: 'assistant' });
  });

  it('fails with the provider’s own word where a repeat would not help', async () => {
    const ended = await awaitEnd((await submit(chat('Hi.', 'openai/gpt-4o-mini-sim-error-400'))).id);
    expect(ended).toMatchObject({ status: 'failed', response: null, error: { code: 'invalid_request' } });
  });

  it('may bound its answer by any number', async () => {
    const { endpoint, body } = chat('Hi.');
    const job = await submit({ endpoint, body: { ...body, max_tokens: Number.MAX_SAFE_INTEGER } });
    expect(await awaitEnd(job.id)).toMatchObject({ status: 'completed' });
  });

  it('waits and is repeated where the provider may be back', async () => {
    const route = await stack.createTenant({
      routes: {
        safe: {
          targets: [{ model: 'openai/gpt-4o-mini-sim-error-500' }, { model: 'anthropic/claude-haiku-4-5' }],
        },
      },
    });
    const { json } = await call('POST', '/v1/jobs', chat('Hi.', 'safe'), {}, route.apiKey);
    const { json: ended } = await call(
      'GET',
      `/v1/jobs/${jobSchema.parse(json).id}?wait=20`,
      undefined,
      {},
      route.apiKey,
    );
    expect(jobSchema.parse(ended)).toMatchObject({ status: 'completed', attempts: 2 });
  });

  it('is cancelled down to the provider while a call for it is under way', async () => {
    const job = await submit(chat('Slow.', 'openai/gpt-4o-mini-sim-latency-20000'));
    await vi.waitFor(
      async () => {
        const { json } = await call('GET', `/v1/jobs/${job.id}`);
        expect(jobSchema.parse(json).status).toBe('in_progress');
      },
      { timeout: 10_000, interval: 50 },
    );
    const cancelled = await call('POST', `/v1/jobs/${job.id}/cancel`);
    expect(cancelled.json).toMatchObject({ cancel_requested: true });
    expect(await awaitEnd(job.id)).toMatchObject({ status: 'cancelled', error: { code: 'cancelled' } });
  });

  it('is one job however often it is sent with one key, and refuses another under it', async () => {
    const headers = { 'idempotency-key': 'once' };
    const first = await submit(chat('Only once.'), headers);
    const again = await submit(chat('Only once.'), headers);
    expect(again.id).toBe(first.id);
    const other = await call('POST', '/v1/jobs', chat('Something else.'), headers);
    expect(other.status).toBe(422);
    expect(other.json).toMatchObject({ error: { code: 'idempotency_mismatch' } });
  });

  it('is forgotten once it was fetched, where its answer is not to be kept', async () => {
    const job = await submit({ ...chat('Burn after reading.'), result_ttl: 0 });
    const ended = await awaitEnd(job.id);
    expect(ended.response).not.toBeNull();
    const again = await awaitEnd(job.id);
    expect(again).toMatchObject({ status: 'completed', response: null });
    expect(again.result_forgotten_at).not.toBeNull();
  });

  it('is its tenant’s own', async () => {
    const job = await submit(chat('Mine.'));
    const other = await stack.createTenant();
    const seen = await call('GET', `/v1/jobs/${job.id}`, undefined, {}, other.apiKey);
    expect(seen.status).toBe(404);
    const cancelled = await call('POST', `/v1/jobs/${job.id}/cancel`, undefined, {}, other.apiKey);
    expect(cancelled.status).toBe(404);
  });

  it.each([
    [{ endpoint: '/v1/nothing', body: {} }, 400, 'endpoint'],
    [chat('Hi.', 'openai/unheard/of'), 202, null],
    [chat('Hi.', 'nobody/has-this'), 404, 'body.model'],
    [{ ...chat('Hi.'), body: { ...chat('Hi.').body, stream: true } }, 400, 'body.stream'],
    [{ ...chat('Hi.'), deadline: '2020-01-01T00:00:00Z' }, 400, 'deadline'],
    [{ ...chat('Hi.'), webhook: { url: 'ftp://example.com' } }, 400, 'webhook'],
    [{ ...chat('Hi.'), surprise: 1 }, 400, 'surprise'],
  ])('says what is wrong with %j', async (body, status, param) => {
    const answer = await call('POST', '/v1/jobs', body);
    expect(answer.status, JSON.stringify(answer.json)).toBe(status);
    if (param !== null) {
      const { error } = z.looseObject({ error: z.looseObject({ param: z.string() }) }).parse(answer.json);
      expect(error.param.startsWith(param)).toBe(true);
    }
  });
});

it('tells its webhook of the end, signed, and nothing of the answer', async () => {
  const receiver = await startWebhookReceiver();
  const secret = `whsec_${Buffer.alloc(32, 7).toString('base64')}`;
  const { id } = await submit({
    ...chat('echo: private'),
    metadata: { order: '7' },
    webhook: { url: `${receiver.url}/hook`, secret },
  });
  const [first] = await vi.waitFor(
    () => {
      expect(receiver.received).toHaveLength(1);
      return receiver.received;
    },
    { timeout: 20_000 },
  );
  const { headers, body = '' } = first ?? {};
  expect(JSON.parse(body)).toMatchObject({
    type: 'job.completed',
    data: { id, object: 'job', status: 'completed', metadata: { order: '7' } },
  });
  expect(body).not.toContain('private');
  const signed = `${String(headers?.['webhook-id'])}.${String(headers?.['webhook-timestamp'])}.${body}`;
  const signature = createHmac('sha256', Buffer.alloc(32, 7)).update(signed).digest('base64');
  expect(headers?.['webhook-signature']).toBe(`v1,${signature}`);
  receiver.close();
});

it('lists jobs, the newest first, page by page', async () => {
  const lister = await stack.createTenant();
  const ids: string[] = [];
  for (const text of ['one', 'two', 'three']) {
    const { json } = await call('POST', '/v1/jobs', chat(text), {}, lister.apiKey);
    ids.push(jobSchema.parse(json).id);
  }
  const page = z.object({
    data: z.array(jobSchema),
    has_more: z.boolean(),
    next_cursor: z.string().nullable(),
  });
  const read = async (path: string) =>
    page.parse(z.looseObject({}).parse((await call('GET', path, undefined, {}, lister.apiKey)).json));
  const first = await read('/v1/jobs?limit=2');
  expect(first.data.map(({ id }) => id)).toEqual([ids[2], ids[1]]);
  const second = await read(`/v1/jobs?limit=2&cursor=${first.next_cursor}`);
  expect(second.data.map(({ id }) => id)).toEqual([ids[0]]);
  expect(second.has_more).toBe(false);
});

it.each([
  ['ended without a call', 'anthropic/claude-haiku-4-5', 'failed', 1],
  ['was handed on by a target that cannot be asked', 'second', 'completed', 2],
])('holds nothing of a budget any more once it %s', async (_, model, status, attempts) => {
  const frugal = await stack.createTenant({
    routes: {
      second: { targets: [{ model: 'anthropic/claude-haiku-4-5' }, { model: 'openai/gpt-4o-mini' }] },
    },
  });
  const path = `/tenants/${frugal.tenantId}/budgets`;
  const created = await callControl(stack.flo2, 'POST', path, { period: 'total', limit: '1.00' });
  const { id } = z.looseObject({ id: z.string() }).parse(created);
  // Anthropic gives one answer at a time.
  const asked = { endpoint: '/v1/chat/completions', body: { ...chat('Hi.', model).body, n: 2 } };
  const accepted = await call('POST', '/v1/jobs', asked, {}, frugal.apiKey);
  const job = jobSchema.parse(accepted.json);
  const ended = await call('GET', `/v1/jobs/${job.id}?wait=20`, undefined, {}, frugal.apiKey);
  expect(ended.json).toMatchObject({ status, attempts });
  // What is held ready and not used goes back after a few seconds.
  await vi.waitFor(
    async () => expect(await callControl(stack.flo2, 'GET', `${path}/${id}`)).toMatchObject({ held: '0' }),
    { timeout: 20_000, interval: 200 },
  );
});
