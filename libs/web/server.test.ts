import { request as httpRequest } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { FastifyInstance } from 'fastify';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { FloError } from '#domain/errors';
import { IdMint } from '#domain/mint-id';
import { createWebServer } from './server.ts';

const REQUEST_ID = expect.stringMatching(/^req_[0-9a-z]{26}$/);
const logged: string[] = [];
const log = (details: object, message: string) => void logged.push(JSON.stringify(details) + message);

let app: FastifyInstance;
beforeEach(() => {
  logged.length = 0;
  const mint = new IdMint({ nowMs: () => 1_000, fillRandom: (bytes) => crypto.getRandomValues(bytes) });
  app = createWebServer({ logger: { info: log, warn: log, error: log }, mint });
  app.post('/echo', (request) => ({ body: request.body ?? null }));
  app.delete('/echo', (_request, reply) => reply.code(204).send());
  app.get('/named/:name', (request) => request.params);
  app.get('/limited', () => {
    throw new FloError('rate_limited', 'Slower.', { retryAfterMs: 1_200, param: 'x' });
  });
  app.get('/broken', () => {
    throw new Error('told to nobody');
  });
});
afterEach(() => app.close());

const json = { 'content-type': 'application/json' };

describe('the web server', () => {
  it('takes calls that say JSON and send nothing', async () => {
    expect((await app.inject({ method: 'POST', url: '/echo', headers: json })).json()).toEqual({
      body: null,
    });
    expect((await app.inject({ method: 'DELETE', url: '/echo', headers: json })).statusCode).toBe(204);
  });

  it.each([
    ['{"a":', json],
    ['{"__proto__":{"admin":true}}', json],
    ['{"constructor":{"prototype":{"admin":true}}}', json],
  ])('refuses the body %s', async (payload, headers) => {
    const answer = await app.inject({ method: 'POST', url: '/echo', headers, payload });
    expect(answer.statusCode).toBe(400);
    expect(answer.json()).toEqual({
      error: {
        code: 'invalid_request',
        message: expect.stringMatching(/not valid JSON/),
        request_id: REQUEST_ID,
      },
    });
  });

  it('refuses what does not say that it is JSON', async () => {
    const headers = { 'content-type': 'text/plain' };
    const answer = await app.inject({ method: 'POST', url: '/echo', headers, payload: '{}' });
    expect(answer.statusCode).toBe(400);
    expect(answer.json()).toMatchObject({ error: { message: expect.stringMatching(/application\/json/) } });
  });

  it('refuses a body over the limit', async () => {
    const payload = JSON.stringify('x'.repeat(2 * 1024 * 1024));
    const answer = await app.inject({ method: 'POST', url: '/echo', headers: json, payload });
    expect(answer.statusCode).toBe(413);
    expect(answer.json()).toMatchObject({ error: { code: 'too_large', request_id: REQUEST_ID } });
  });

  it('gives errors of the catalogue with their status, field and wait', async () => {
    const answer = await app.inject('/limited');
    expect(answer.statusCode).toBe(429);
    expect(answer.headers['retry-after']).toBe('2');
    expect(answer.json()).toEqual({
      error: { code: 'rate_limited', message: 'Slower.', param: 'x', request_id: REQUEST_ID },
    });
  });

  it('tells the log of an unexpected error, and the caller nothing of it', async () => {
    const answer = await app.inject('/broken');
    expect(answer.statusCode).toBe(500);
    expect(answer.body).not.toContain('told to nobody');
    expect(logged).toHaveLength(1);
  });

  it('gives an error of the same shape for a path that is not there or cannot be read', async () => {
    expect((await app.inject('/nowhere')).json()).toMatchObject({
      error: { code: 'route_not_found', request_id: REQUEST_ID },
    });
    const long = await app.inject(`/named/${'x'.repeat(600)}`);
    expect(long.json()).toMatchObject({ error: { request_id: REQUEST_ID } });
    await app.listen({ host: '127.0.0.1', port: 0 });
    const { port } = app.server.address() as AddressInfo;
    const body = await new Promise<string>((resolve, reject) => {
      httpRequest({ host: '127.0.0.1', port, path: '/named/%zz' }, (answer) => {
        let text = '';
        answer.on('data', (chunk) => (text += String(chunk))).on('end', () => resolve(text));
      })
        .on('error', reject)
        .end();
    });
    expect(JSON.parse(body)).toMatchObject({ error: { code: 'invalid_request', request_id: REQUEST_ID } });
  });
});
