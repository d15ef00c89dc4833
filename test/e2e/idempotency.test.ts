/** `Idempotency-Key` over two ingress processes: one execution, whoever asks and however often. */
import { randomUUID } from 'node:crypto';
import { Client } from 'pg';
import { afterAll, beforeAll, expect, it, vi } from 'vitest';
import { startProcess, type StartedProcess, type TestTenant } from '#test/support/flo2';
import { startStack, type Stack } from '#test/support/stack';

let stack: Stack;
let second: StartedProcess;
let tenant: TestTenant;

beforeAll(async () => {
  stack = await startStack();
  second = await startProcess('ingress', { DATABASE_URL: stack.databaseUrl, NATS_URL: stack.natsUrl });
  tenant = await stack.createTenant();
});

afterAll(async () => {
  second.kill('SIGTERM');
  await second.exited;
  await stack.close();
});

type Sent = {
  key: string;
  model?: string;
  stream?: boolean;
  content?: string;
  url?: string;
  apiKey?: string;
  signal?: AbortSignal;
  timeoutMs?: number;
};

const send = ({ key, model = 'openai/gpt-4o-mini', stream = false, content = 'Hello.', ...to }: Sent) =>
  fetch(`${to.url ?? stack.flo2.url}/v1/chat/completions`, {
    method: 'POST',
    headers: {
      authorization: `Bearer ${to.apiKey ?? tenant.apiKey}`,
      'content-type': 'application/json',
      'idempotency-key': key,
      ...(to.timeoutMs !== undefined && { 'x-flo2-timeout-ms': String(to.timeoutMs) }),
    },
    body: JSON.stringify({ model, stream, messages: [{ role: 'user', content }] }),
    ...(to.signal !== undefined && { signal: to.signal }),
  });

const read = async (answer: Response) => ({
  status: answer.status,
  text: await answer.text(),
  requestId: answer.headers.get('x-flo2-request-id'),
  isReplay: answer.headers.get('idempotent-replayed') === 'true',
});

/** How many calls the provider saw while `work` ran. */
const callsDuring = async <Result>(
  work: () => Promise<Result>,
): Promise<{ calls: number; result: Result }> => {
  const before = stack.simulator.log.attempts.length;
  const result = await work();
  return { calls: stack.simulator.log.attempts.length - before, result };
};

it.each([[false], [true]])(
  'carries out one of many concurrent and later requests at both ingresses (stream: %s)',
  async (stream) => {
    const key = randomUUID();
    const model = `openai/gpt-4o-mini-sim-${stream ? 'pace-20' : 'latency-300'}-tokens-20`;
    const urls = [stack.flo2.url, second.url ?? ''];
    const { calls, result } = await callsDuring(async () => {
      const concurrent = await Promise.all(
        Array.from({ length: 6 }, (_, index) =>
          send({ key, model, stream, url: urls[index % 2] ?? '' }).then(read),
        ),
      );
      const later = await Promise.all(urls.map((url) => send({ key, model, stream, url }).then(read)));
      return { concurrent, later };
    });
    expect(calls).toBe(1);
    const answers = [...result.concurrent, ...result.later];
    expect(new Set(answers.map(({ text }) => text)).size).toBe(1);
    expect(new Set(answers.map(({ requestId }) => requestId)).size).toBe(1);
    expect(answers.every(({ status }) => status === 200)).toBe(true);
    expect(result.concurrent.filter(({ isReplay }) => !isReplay)).toHaveLength(1);
    expect(result.later.every(({ isReplay }) => isReplay)).toBe(true);
  },
);

it('attaches to a stream that runs at another ingress, from its beginning, as it goes on', async () => {
  const key = randomUUID();
  const model = 'openai/gpt-4o-mini-sim-pace-100-tokens-20';
  const first = await send({ key, model, stream: true });
  const attached = await send({ key, model, stream: true, url: second.url ?? '' });
  const reader = attached.body?.getReader();
  const piece = await reader?.read();
  // Attached before its end: what has come is a part of what the first client will have.
  expect(Buffer.from(piece?.value ?? '').toString()).not.toContain('[DONE]');
  let text = Buffer.from(piece?.value ?? '').toString();
  for (let next = await reader?.read(); next?.done === false; next = await reader?.read()) {
    text += Buffer.from(next.value).toString();
  }
  expect(text).toBe(await first.text());
  expect(text).toContain('[DONE]');
});

it('goes on when its client leaves, who finds the answer when it comes back', async () => {
  const key = randomUUID();
  const model = 'openai/gpt-4o-mini-sim-latency-500';
  const leaving = new AbortController();
  const { calls, result } = await callsDuring(async () => {
    const before = stack.simulator.log.attempts.length;
    const left = send({ key, model, signal: leaving.signal });
    await vi.waitFor(() => expect(stack.simulator.log.attempts.length).toBe(before + 1), 10_000);
    leaving.abort();
    await expect(left).rejects.toThrow();
    return read(await send({ key, model, url: second.url ?? '' }));
  });
  expect({ calls, status: result.status, isReplay: result.isReplay }).toEqual({
    calls: 1,
    status: 200,
    isReplay: true,
  });
});

it('refuses the key with another body, and takes it from another API key', async () => {
  const key = randomUUID();
  const other = await stack.createTenant();
  await (await send({ key })).text();
  const refused = await read(await send({ key, content: 'Something else.' }));
  expect(refused).toMatchObject({ status: 422, text: expect.stringContaining('idempotency_mismatch') });
  const { calls, result } = await callsDuring(async () => read(await send({ key, apiKey: other.apiKey })));
  expect({ calls, isReplay: result.isReplay }).toEqual({ calls: 1, isReplay: false });
});

it('carries out again what the provider has turned away, and nothing that it may have worked on', async () => {
  const key = randomUUID();
  const limited = { key, model: 'openai/gpt-4o-mini-sim-error-429-retry-60', timeoutMs: 5_000 };
  const first = await read(await send(limited));
  expect(first).toMatchObject({ status: 429, isReplay: false });
  const again = await read(await send(limited));
  expect(again).toMatchObject({ status: 429, isReplay: false });
  expect(again.requestId).not.toBe(first.requestId);

  const failing = { key: randomUUID(), model: 'openai/gpt-4o-mini-sim-error-500' };
  const failed = await read(await send(failing));
  expect(await read(await send(failing))).toEqual({ ...failed, isReplay: true });
});

it('replays an error that a provider was asked for, and forgets one that came before', async () => {
  const key = randomUUID();
  const model = 'openai/gpt-4o-mini-sim-error-400';
  const first = await read(await send({ key, model }));
  expect(first.status).toBe(400);
  const { calls, result } = await callsDuring(async () => read(await send({ key, model })));
  expect({ calls, result }).toEqual({ calls: 0, result: { ...first, isReplay: true } });

  const early = randomUUID();
  expect((await send({ key: early, model: 'no-such-model' })).status).toBe(404);
  expect((await send({ key: early })).status).toBe(200);
});

it('says that nobody knows where the ingress that ran it has died', async () => {
  const key = randomUUID();
  const model = 'openai/gpt-4o-mini-sim-latency-2000';
  const victim = await startProcess('ingress', { DATABASE_URL: stack.databaseUrl, NATS_URL: stack.natsUrl });
  const before = stack.simulator.log.attempts.length;
  const lost = send({ key, model, url: victim.url ?? '' }).catch(() => null);
  await vi.waitFor(() => expect(stack.simulator.log.attempts.length).toBe(before + 1), 10_000);
  victim.kill('SIGKILL');
  await victim.exited;
  expect(await lost).toBeNull();
  const told = await read(await send({ key, model }));
  expect(told).toMatchObject({ status: 502, text: expect.stringContaining('outcome_unknown') });
  expect(await read(await send({ key, model, url: second.url ?? '' }))).toEqual(told);
});

it('keeps answers so that the database alone does not tell them', async () => {
  const key = randomUUID();
  const secret = `canary${randomUUID()}`;
  expect((await read(await send({ key, content: `echo: ${secret}` }))).text).toContain(secret);
  const client = new Client({ connectionString: stack.databaseUrl });
  await client.connect();
  const { rows } = await client.query<{ result: Buffer }>(
    'select result from idempotent_request where result is not null',
  );
  await client.end();
  expect(rows.length).toBeGreaterThan(0);
  for (const { result } of rows) expect(result.includes(secret)).toBe(false);
});

it.each([['with spaces inside'], ['x'.repeat(256)]])('refuses %j for a key', async (key) => {
  const answer = await read(await send({ key }));
  expect(answer).toMatchObject({ status: 400, text: expect.stringContaining('Idempotency-Key') });
});
