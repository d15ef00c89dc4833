import { connect, type Socket } from 'node:net';
import fastify, { type FastifyInstance } from 'fastify';
import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { ReceiveBound } from './receive-bound.ts';

const TIMEOUT_MS = 60_000;

let nowMs = 0;
let bound: ReceiveBound;
let app: FastifyInstance;
let received = 0;
const sockets: Socket[] = [];

beforeEach(async () => {
  nowMs = 0;
  received = 0;
  bound = new ReceiveBound({ timeoutMs: TIMEOUT_MS, nowMs: () => nowMs });
  app = fastify({ requestTimeout: 0 });
  bound.register(app, 1_000_000);
  app.post('/ask', async () => 'asked');
  app.register(async (scope) => {
    scope.removeAllContentTypeParsers();
    scope.addContentTypeParser('*', (_request, _payload, done) => done(null));
    scope.post('/upload', { config: { isUpload: true } }, async (request) => {
      for await (const chunk of request.raw) received += (chunk as Buffer).length;
      return 'stored';
    });
  });
  await app.listen({ host: '127.0.0.1', port: 0 });
});
afterEach(async () => {
  for (const socket of sockets.splice(0)) socket.destroy();
  await app.close();
});

const begin = (path: string, length: number) => {
  const address = app.server.address();
  const socket = connect(typeof address === 'object' ? (address?.port ?? 0) : 0, '127.0.0.1');
  sockets.push(socket);
  let answer = '';
  let isClosed = false;
  socket.setEncoding('utf8').on('data', (text: string) => (answer += text));
  socket.on('close', () => (isClosed = true)).on('error', () => undefined);
  socket.write(
    `POST ${path} HTTP/1.1\r\nhost: flo2\r\ncontent-type: text/plain\r\ncontent-length: ${length}\r\n\r\n`,
  );
  return { socket, answer: () => answer, isClosed: () => isClosed };
};

it('lets an upload take as long as it moves', async () => {
  const { socket, answer, isClosed } = begin('/upload', 10);
  for (let sent = 1; sent <= 9; sent += 1) {
    socket.write('x');
    await vi.waitFor(() => expect(received).toBe(sent), { timeout: 5_000 });
    nowMs += TIMEOUT_MS - 1;
    bound.sweep();
  }
  socket.write('x');
  await vi.waitFor(() => expect(answer()).toMatch(/ 200 /), { timeout: 5_000 });
  expect(isClosed()).toBe(false);
});

it('cuts off an upload that does not move', async () => {
  const { socket, isClosed } = begin('/upload', 10);
  socket.write('x');
  await vi.waitFor(() => expect(received).toBe(1), { timeout: 5_000 });
  bound.sweep();
  nowMs += TIMEOUT_MS;
  bound.sweep();
  await vi.waitFor(() => expect(isClosed()).toBe(true), { timeout: 5_000 });
});

it('cuts off another request that is slow, though it moves', async () => {
  const { socket, isClosed } = begin('/ask', 1_000);
  socket.write('xxx');
  // The headers are known once the body is waited for.
  await vi.waitFor(() => {
    socket.write('x');
    nowMs += TIMEOUT_MS;
    bound.sweep();
    expect(isClosed()).toBe(true);
  });
});

it('leaves a request alone whose body has come', async () => {
  const { socket, answer } = begin('/ask', 3);
  socket.write('xxx');
  await vi.waitFor(() => expect(answer()).toMatch(/ 200 /), { timeout: 5_000 });
  nowMs += 10 * TIMEOUT_MS;
  bound.sweep();
  expect(socket.destroyed).toBe(false);
});
