import { createServer, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { createUpstreamClient, type UpstreamClient } from '#http/upstream-client';
import { createPassingReader } from '#providers/passing-reader';
import { providerOf } from '#providers/registry';
import { attemptEventOf } from '#test/support/attempt-events';
import { RequestAbort } from './attempt-limits.ts';
import { CoalescingWriter } from './coalescing-writer.ts';
import type { Translation } from '#runtime/translation';
import { UpstreamAttempt, type UpstreamAttemptResult } from './upstream-attempt.ts';

const event = attemptEventOf();
const chunk = (content: string): string =>
  `data: ${JSON.stringify({ id: 'chatcmpl-1', model: 'm', choices: [{ index: 0, delta: { content } }] })}\n\n`;
const FINISH = `data: ${JSON.stringify({ id: 'chatcmpl-1', model: 'm', choices: [{ index: 0, delta: {}, finish_reason: 'stop' }] })}\n\n`;
const USAGE = `data: ${JSON.stringify({ id: 'chatcmpl-1', model: 'm', choices: [], usage: { prompt_tokens: 3, completion_tokens: 7 } })}\n\n`;

let server: Server;
let upstream: UpstreamClient;
let answer: ServerResponse | null;
let isClosed: boolean;

beforeEach(async () => {
  answer = null;
  isClosed = false;
  upstream = createUpstreamClient({ allowPrivate: true });
  server = createServer((request, response) => {
    request.resume();
    response.on('close', () => (isClosed = true));
    answer = response;
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
});

afterEach(async () => {
  server.closeAllConnections();
  server.close();
  await upstream.close();
});

const translationOf = (baseUrl: string, chargesAfterCancel: boolean): Translation => {
  const provider = { ...providerOf('openai'), baseUrl, chargesAfterCancel };
  const wire = provider.wires.find(({ operation }) => operation === 'chat');
  if (wire?.operation !== 'chat') throw new Error('no chat');
  return {
    provider,
    call: { path: '/chat/completions', headers: {}, body: Buffer.from('{}') },
    droppedParams: [],
    translateAnswer: (body) => ({ body, facts: wire.readAnswer(body) }),
    openStream: () => {
      const reader = createPassingReader(wire, { usageInjected: false, maxEventBytes: 1_000_000 });
      return {
        read: function* (bytesRead) {
          for (const { bytes, content, end } of reader.read(bytesRead)) yield { piece: bytes, content, end };
        },
        finish: () => [],
        facts: reader.facts,
      };
    },
  };
};

type Running = { abort: RequestAbort; sent: string[]; result: Promise<UpstreamAttemptResult> };

const start = (
  options: { chargesAfterCancel?: boolean; idleMs?: number; stream?: boolean } = {},
): Running => {
  const abort = new RequestAbort();
  const sent: string[] = [];
  const { port } = server.address() as AddressInfo;
  const result = new UpstreamAttempt({
    attemptId: event.attemptId,
    translation: translationOf(`http://127.0.0.1:${port}`, options.chargesAfterCancel ?? false),
    credential: {
      id: event.providerKeyId,
      tenantId: event.tenantId,
      provider: 'openai',
      secret: 'sk-test',
      baseUrl: null,
      dialect: null,
    },
    stream: options.stream ?? true,
    streamFraming: 'sse',
    firstByteBudgetMs: 5_000,
    idleMs: options.idleMs ?? 5_000,
    signal: abort.signal,
    upstream,
    clock: { nowMs: Date.now },
    onHead: () => undefined,
    writer: new CoalescingWriter((bytes) => void sent.push(Buffer.from(bytes).toString())),
  }).run();
  return { abort, sent, result };
};

const answering = () => vi.waitFor(() => answer ?? expect.unreachable('no call yet'), { timeout: 5_000 });
const beginStream = async (): Promise<ServerResponse> => {
  const response = await answering();
  response.writeHead(200, { 'content-type': 'text/event-stream' }).write(chunk('one'));
  return response;
};

describe('a call whose client has left', () => {
  it('is broken off down to its connection', async () => {
    const { abort, sent, result } = start();
    await beginStream();
    await vi.waitFor(() => expect(sent).toHaveLength(1), { timeout: 5_000 });
    abort.abort('client_left');
    expect(await result).toMatchObject({ outcome: 'cancelled', facts: { usage: { source: 'none' } } });
    await vi.waitFor(() => expect(isClosed).toBe(true), { timeout: 5_000 });
  });

  it('is read on for nobody where the provider charges for it anyway, and its usage is recorded', async () => {
    const { abort, sent, result } = start({ chargesAfterCancel: true });
    const response = await beginStream();
    await vi.waitFor(() => expect(sent).toHaveLength(1), { timeout: 5_000 });
    abort.abort('client_left');
    response.write(chunk('two'));
    response.end(`${FINISH}${USAGE}data: [DONE]\n\n`);
    expect(await result).toMatchObject({
      outcome: 'cancelled',
      error: { code: 'cancelled' },
      answer: null,
      facts: { usage: { source: 'provider', tokens: { input: 3, output: 7 } } },
    });
    expect(sent.join('')).toBe(chunk('one'));
  });

  it('is not read on for ever', async () => {
    const { abort, sent, result } = start({ chargesAfterCancel: true });
    const response = await beginStream();
    await vi.waitFor(() => expect(sent).toHaveLength(1), { timeout: 5_000 });
    abort.abort('client_left');
    const endless = setInterval(() => response.write(chunk('x'.repeat(512 * 1024))), 1);
    expect(await result).toMatchObject({ outcome: 'cancelled' });
    clearInterval(endless);
  });

  it('is broken off where it is a stop of the worker, whatever the provider charges', async () => {
    const { abort, sent, result } = start({ chargesAfterCancel: true });
    await beginStream();
    await vi.waitFor(() => expect(sent).toHaveLength(1), { timeout: 5_000 });
    abort.abort('shutdown');
    expect(await result).toMatchObject({ outcome: 'cut', error: { code: 'unavailable' } });
  });
});

describe('a provider that falls silent', () => {
  it.each([[true], [false]])(
    'in the middle of its answer is left at the limit (stream: %s)',
    async (stream) => {
      const { result } = start({ idleMs: 100, stream });
      if (stream) await beginStream();
      else (await answering()).writeHead(200, { 'content-type': 'application/json' }).write('{');
      expect(await result).toMatchObject({ outcome: 'timed_out', error: { code: 'timeout' } });
      await vi.waitFor(() => expect(isClosed).toBe(true), { timeout: 5_000 });
    },
  );

  it('is not one whose words wait in the socket of a process that was held up itself', async () => {
    const { sent, result } = start({ idleMs: 50 });
    const response = await beginStream();
    await vi.waitFor(() => expect(sent).toHaveLength(1), { timeout: 5_000 });
    response.end(`${chunk('two')}${FINISH}data: [DONE]\n\n`);
    // Written, and not yet read.
    await new Promise<void>((resolve) => process.nextTick(resolve));
    const untilMs = performance.now() + 150;
    while (performance.now() < untilMs);
    expect(await result).toMatchObject({ outcome: 'succeeded' });
  });

  it('for less than the limit, again and again, is waited for', async () => {
    const { result } = start({ idleMs: 200 });
    const response = await beginStream();
    for (let count = 0; count < 4; count += 1) {
      await new Promise((resolve) => setTimeout(resolve, 80));
      response.write(chunk('more'));
    }
    response.end(`${FINISH}data: [DONE]\n\n`);
    expect(await result).toMatchObject({ outcome: 'succeeded' });
  });
});
