import { createServer, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { createUpstreamClient, type UpstreamAnswer, type UpstreamClient } from './upstream-client.ts';

let server: Server;
let client: UpstreamClient;
let answers: ServerResponse[];
let connections: number;

beforeEach(async () => {
  answers = [];
  connections = 0;
  client = createUpstreamClient({ allowPrivate: true });
  server = createServer((request, response) => {
    request.resume();
    answers.push(response);
  });
  server.on('connection', () => (connections += 1));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
});

afterEach(async () => {
  server.closeAllConnections();
  server.close();
  await client.close();
});

const ask = (signal: AbortSignal = new AbortController().signal): Promise<UpstreamAnswer> => {
  const { port } = server.address() as AddressInfo;
  return client.send({ method: 'POST', url: `http://127.0.0.1:${port}/a?b=c`, headers: {}, signal });
};

/** The server's side of the request that was sent as the `count`th. */
const served = async (count = 1): Promise<ServerResponse> => {
  await vi.waitFor(() => expect(answers).toHaveLength(count), { timeout: 5_000 });
  const response = answers[count - 1];
  if (response === undefined) throw new Error('not served');
  return response;
};

const isClosed = (response: ServerResponse): Promise<void> =>
  vi.waitFor(() => expect(response.closed).toBe(true), { timeout: 5_000 });

const textOf = async (body: AsyncIterable<Uint8Array>): Promise<string> => {
  const chunks: Uint8Array[] = [];
  for await (const chunk of body) chunks.push(chunk);
  return Buffer.concat(chunks).toString();
};

describe('an answer', () => {
  it('comes with its status, its headers in lower case and its body, and leaves its connection to the next', async () => {
    for (const count of [1, 2]) {
      const asked = ask();
      (await served(count)).writeHead(201, { 'X-Request-Id': 'r1' }).end('hello');
      const answer = await asked;
      expect([answer.status, answer.headers['x-request-id']]).toEqual([201, 'r1']);
      expect(await textOf(answer.body)).toBe('hello');
      // undici takes a connection again in the turn after.
      await nextTurn();
    }
    expect(connections).toBe(1);
  });

  it('is not taken for what only announces it', async () => {
    const asked = ask();
    const response = await served();
    response.writeEarlyHints({ link: '</style.css>; rel=preload' });
    response.writeHead(200).end();
    expect((await asked).status).toBe(200);
  });

  it('can be read before all of it is there', async () => {
    const asked = ask();
    const response = await served();
    response.write('first');
    const chunks = (await asked).body[Symbol.asyncIterator]();
    expect(Buffer.from((await chunks.next()).value).toString()).toBe('first');
    response.end('second');
    expect(Buffer.from((await chunks.next()).value).toString()).toBe('second');
    expect((await chunks.next()).done).toBe(true);
  });

  it('is left on the connection while nobody reads it, and comes whole once somebody does', async () => {
    const asked = ask();
    const response = await served();
    const large = Buffer.alloc(64 * 1024 * 1024, 'x');
    let isWritten = false;
    response.end(large, () => (isWritten = true));
    const answer = await asked;
    const reading = answer.body[Symbol.asyncIterator]();
    let length = Buffer.from((await reading.next()).value).length;
    expect(isWritten).toBe(false);
    for (let next = await reading.next(); next.done !== true; next = await reading.next()) {
      length += next.value.length;
    }
    expect(length).toBe(large.length);
  });

  it('that breaks off gives what came before it did', async () => {
    const asked = ask();
    const response = await served();
    response.write('half');
    const answer = await asked;
    response.destroy();
    await isClosed(response);
    const chunks = answer.body[Symbol.asyncIterator]();
    expect(Buffer.from((await chunks.next()).value).toString()).toBe('half');
    await expect(chunks.next()).rejects.toThrow();
  });

  it('that is left before its end has its connection closed', async () => {
    const asked = ask();
    const response = await served();
    response.write('more than is wanted');
    for await (const chunk of (await asked).body) if (chunk.length > 0) break;
    await isClosed(response);
  });

  it('is discarded to its end where that is near, and broken off where it is not', async () => {
    const asked = ask();
    (await served()).end('little');
    await (await asked).body.discard();
    await nextTurn();
    const askedAgain = ask();
    const response = await served(2);
    response.end(Buffer.alloc(8 * 1024 * 1024));
    await (await askedAgain).body.discard();
    await isClosed(response);
    expect([connections, response.writableFinished]).toEqual([1, false]);
  });
});

describe('an abort', () => {
  it('before the request is sent sends nothing', async () => {
    await expect(ask(AbortSignal.abort(new Error('too late')))).rejects.toThrow('too late');
    expect(answers).toHaveLength(0);
  });

  it('while the answer is waited for closes the connection', async () => {
    const controller = new AbortController();
    const asked = ask(controller.signal);
    const response = await served();
    controller.abort(new Error('enough'));
    await expect(asked).rejects.toThrow('enough');
    await isClosed(response);
  });

  it('amid the answer is seen at once, whatever came before', async () => {
    const controller = new AbortController();
    const asked = ask(controller.signal);
    const response = await served();
    response.write('never read');
    const answer = await asked;
    controller.abort(new Error('enough'));
    await expect(textOf(answer.body)).rejects.toThrow('enough');
    await isClosed(response);
  });
});

describe('a failure', () => {
  it('before the provider was reached says so', async () => {
    const { port } = server.address() as AddressInfo;
    server.close();
    server.closeAllConnections();
    const asked = client.send({
      method: 'GET',
      url: `http://127.0.0.1:${port}/`,
      headers: {},
      signal: new AbortController().signal,
    });
    await expect(asked).rejects.toMatchObject({ code: 'connection' });
  });

  it('after the request may have left says that', async () => {
    const asked = ask();
    (await served()).destroy();
    await expect(asked).rejects.toMatchObject({ code: 'cut_stream' });
  });
});
