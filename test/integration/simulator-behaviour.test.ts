/** What the simulated providers are made to do, and the program that serves them. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import Anthropic from '@anthropic-ai/sdk';
import OpenAI from 'openai';
import { afterAll, afterEach, describe, expect, it, vi } from 'vitest';
import type { CallRecord } from '#test/simulators/call-log';
import { refusedUrl } from '#test/simulators/simulator';
import { errorOf, openSimulatedClients, user } from '#test/support/simulated-clients';

const { simulator, openai, chat, send, lastCall } = await openSimulatedClients();

afterAll(() => simulator.close());
afterEach(() => {
  simulator.clearBehaviours();
  simulator.clearLimits();
});

describe('as a process of its own', () => {
  const path = (relative: string) => fileURLToPath(new URL(relative, import.meta.url));

  it('says where it serves and writes each call to its log file, arrived and decided', async () => {
    const directory = await mkdtemp(join(tmpdir(), 'simulator-'));
    const file = join(directory, 'calls.ndjson');
    const child = spawn(
      path('../../node_modules/.bin/node'),
      [path('../simulators/main.ts'), '--log', file],
      {
        stdio: ['ignore', 'pipe', 'inherit'],
      },
    );
    const exited = once(child, 'exit');
    try {
      const [line] = (await once(child.stdout, 'data')) as [Buffer];
      const { url } = JSON.parse(line.toString()) as { url: string };
      await openai.withOptions({ baseURL: `${url}/v1` }).chat.completions.create({
        model: 'gpt-4o',
        messages: user('echo: hi'),
      });
      const lines = (await readFile(file, 'utf8')).trimEnd().split('\n');
      const records = lines.map((text) => JSON.parse(text) as CallRecord);
      expect(records.map(({ sequence, outcome }) => [sequence, outcome])).toEqual([
        [1, 'open'],
        [1, 'whole'],
      ]);
      expect(records.at(-1)).toMatchObject({ credential: 'sk-test', tokens: { output: 1 } });
    } finally {
      child.kill('SIGTERM');
      await exited;
      await rm(directory, { recursive: true });
    }
  });
});

describe('behaviour on demand', () => {
  it('lasts as many times as the rule says, for the key it names', async () => {
    simulator.setBehaviour({ match: { key: 'sk-test' }, behaviour: { status: 503 }, times: 1 });
    await expect(send('claude-haiku-4-5')).resolves.toBeDefined();
    expect(await errorOf(chat('gpt-4o'))).toMatchObject({ status: 503 });
    await expect(chat('gpt-4o')).resolves.toBeDefined();
  });

  it('charges caches as told, in each provider its own way', async () => {
    simulator.setBehaviour({
      behaviour: { tokens: { input: 10, cache_read: 900, cache_write_1h: 50, output: 7 } },
    });
    const ofOpenai = await chat('gpt-4o');
    expect(ofOpenai.usage).toMatchObject({
      prompt_tokens: 960,
      completion_tokens: 7,
      prompt_tokens_details: { cached_tokens: 900 },
    });
    const ofAnthropic = await send('claude-haiku-4-5');
    expect(ofAnthropic.usage).toMatchObject({
      input_tokens: 10,
      cache_read_input_tokens: 900,
      cache_creation_input_tokens: 50,
      cache_creation: { ephemeral_5m_input_tokens: 0, ephemeral_1h_input_tokens: 50 },
    });
    expect(lastCall().tokens).toMatchObject({ input: 10, cache_read: 900, cache_write_1h: 50, output: 7 });
  });

  const raw = (model: string) =>
    fetch(`${simulator.url}/v1/chat/completions`, {
      method: 'POST',
      headers: { authorization: 'Bearer sk-test', 'content-type': 'application/json' },
      body: JSON.stringify({ model, messages: user('hello') }),
    });

  it('disguises bodies', async () => {
    const html = await raw('sim-html');
    expect(html.headers.get('content-type')).toContain('text/html');
    expect(await html.text()).toContain('<html>');
    expect(await (await raw('sim-empty')).text()).toBe('');
    const half = await (await raw('sim-halfjson')).text();
    expect(half.startsWith('{')).toBe(true);
    expect(() => JSON.parse(half)).toThrow();
    expect(await (await raw('sim-error-500-empty')).text()).toBe('');
    expect((await raw('sim-text')).headers.get('content-type')).toBe('text/plain');
  });

  it('cuts and drips whole bodies', async () => {
    expect(await errorOf((await raw('sim-cut-20')).text())).toBeInstanceOf(Error);
    expect(lastCall().outcome).toBe('cut');
    expect(JSON.parse(await (await raw('sim-drip-0')).text())).toMatchObject({ object: 'chat.completion' });
  });

  it('shows an unanswered call as open until the client leaves', async () => {
    const abort = new AbortController();
    const before = simulator.log.calls.length;
    const call = openai.chat.completions.create(
      { model: 'sim-hang', messages: user('hello') },
      { signal: abort.signal },
    );
    await vi.waitFor(() => expect(simulator.log.calls.length).toBe(before + 1), { timeout: 15_000 });
    expect(lastCall()).toMatchObject({ outcome: 'open', status: null });
    abort.abort();
    await errorOf(call);
    await vi.waitFor(() => expect(lastCall()).toMatchObject({ outcome: 'aborted', tokens: {} }), {
      timeout: 15_000,
    });
  });

  it('is set and read over HTTP too', async () => {
    const put = (body: unknown) =>
      fetch(`${simulator.url}/__control`, { method: 'PUT', body: JSON.stringify(body) });
    expect((await put({ behaviour: { statos: 500 } })).status).toBe(400);
    expect(await (await put({ match: { model: 'gpt-4o' }, behaviour: { status: 500 } })).json()).toEqual({
      rules: 1,
    });
    expect(await errorOf(chat('gpt-4o'))).toMatchObject({ status: 500 });
    const last = lastCall().sequence;
    const log = await fetch(`${simulator.url}/__log?after=${last - 1}`);
    expect(await log.json()).toMatchObject({ calls: [{ sequence: last, status: 500 }] });
  });

  it('holds a key to its limits, says what is left and how long to wait', async () => {
    simulator.setLimits({ match: { key: 'sk-test' }, limits: { requestsPerMinute: 120, burstSeconds: 1 } });
    const first = await chat('gpt-4o-mini').withResponse();
    expect(first.response.headers.get('x-ratelimit-limit-requests')).toBe('120');
    expect(first.response.headers.get('x-ratelimit-remaining-requests')).toBe('1');
    await chat('gpt-4o-mini');
    const refused = await errorOf(chat('gpt-4o-mini'));
    expect(refused).toBeInstanceOf(OpenAI.RateLimitError);
    const { headers, code } = refused as InstanceType<typeof OpenAI.RateLimitError>;
    expect(code).toBe('rate_limit_exceeded');
    const waitMs = Number(headers?.get('retry-after-ms'));
    expect(waitMs).toBeGreaterThan(0);
    expect(waitMs).toBeLessThanOrEqual(500);
    expect(headers?.get('x-ratelimit-remaining-requests')).toBe('0');
    expect(lastCall()).toMatchObject({ status: 429, limitedBy: 'requests', tokens: {} });
    await expect(send('claude-haiku-4-5')).resolves.toBeDefined();
  });

  it('counts the tokens of prompt and answer against a limit, and says where no wait helps', async () => {
    simulator.setLimits({ match: { provider: 'anthropic' }, limits: { tokensPerMinute: 20 } });
    const { response } = await send('claude-haiku-4-5').withResponse();
    expect(response.headers.get('anthropic-ratelimit-tokens-remaining')).toBe('11');
    await send('claude-haiku-4-5');
    const refused = await errorOf(send('claude-haiku-4-5'));
    expect(refused).toBeInstanceOf(Anthropic.RateLimitError);
    const retryAfter = Number(
      (refused as InstanceType<typeof Anthropic.RateLimitError>).headers.get('retry-after'),
    );
    expect(retryAfter).toBeGreaterThan(15);
    expect(retryAfter).toBeLessThanOrEqual(21);
    expect(lastCall().limitedBy).toBe('tokens');
    const hopeless = await errorOf(send('claude-haiku-4-5-sim-tokens-50'));
    expect((hopeless as InstanceType<typeof Anthropic.RateLimitError>).headers.get('retry-after')).toBeNull();
  });

  it('knows an address where nobody listens', async () => {
    expect(await errorOf(fetch(await refusedUrl()))).toBeInstanceOf(TypeError);
  });
});
