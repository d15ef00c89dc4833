import { afterEach, describe, expect, it } from 'vitest';
import fastify, { type FastifyInstance } from 'fastify';
import type { TenantId } from '#contracts/ids';
import type { SurfaceId } from '#contracts/vocabulary';
import { AdmissionGate } from '#domain/admission-gate';
import { OpenCaps } from '#domain/open-caps';
import { surfaceOf } from '#surfaces/registry';
import { createSystemMint } from '#runtime/system';
import { Gatekeeper } from './gatekeeper.ts';

const TENANT = 'ten_00000000000000000000000001' as TenantId;

let app: FastifyInstance | null = null;
afterEach(async () => {
  await app?.close();
});

const start = async (surface: SurfaceId) => {
  const [gate, caps] = [new AdmissionGate(), new OpenCaps()];
  const clock = { nowMs: () => 0 };
  const gatekeeper = new Gatekeeper({ gate, caps, knownTenantOf: () => TENANT, clock });
  const mint = createSystemMint();
  app = fastify({ genReqId: () => mint.mint('req') });
  app.addHook('onRequest', gatekeeper.hookFor(surfaceOf(surface)));
  app.post('/', () => 'let in');
  const url = await app.listen({ port: 0, host: '127.0.0.1' });
  const post = (body = '{}'): Promise<Response> =>
    fetch(url, {
      method: 'POST',
      headers: { authorization: 'Bearer key', 'content-type': 'application/json' },
      body,
    });
  return { gate, caps, post };
};

const fill = (gate: AdmissionGate, caller: string): void => {
  for (let observed = 0; observed < 200; observed += 1) gate.observe({ lateMs: 100, elapsedMs: 100 });
  while (gate.admits(caller)) gate.enter(caller);
};

describe('Gatekeeper', () => {
  it('lets in who finds a place, and frees it with the answer', async () => {
    const { gate, post } = await start('openai-chat');
    const answer = await post();
    expect(await answer.text()).toBe('let in');
    expect(gate.open).toBe(0);
  });

  it.each([
    ['openai-chat', (body: { error: { code: string } }) => body.error.code, 'unavailable'],
    ['anthropic-messages', (body: { error: { type: string } }) => body.error.type, 'overloaded_error'],
    ['gemini-generate-content', (body: { error: { status: string } }) => body.error.status, 'UNAVAILABLE'],
  ] as const)(
    'refuses in the dialect %s, with a wait, when the process is full',
    async (surface, read, said) => {
      const { gate, post } = await start(surface);
      fill(gate, TENANT);
      const answer = await post();
      const text = await answer.text();
      expect(answer.status).toBe(503);
      expect(answer.headers.get('retry-after')).toBe('1');
      expect(answer.headers.get('content-length')).toBe(String(Buffer.byteLength(text)));
      expect(answer.headers.get('x-flo2-request-id')).toMatch(/^req_/);
      expect(read(JSON.parse(text) as never)).toBe(said);
      expect(gate.open).toBeGreaterThan(0);
    },
  );

  it('tells a tenant who holds its part that it is the tenant’s own', async () => {
    const { caps, post } = await start('openai-chat');
    for (let model = 0; model < 4; model += 1) {
      for (let entered = 0; entered < 1_000; entered += 1) caps.enter(TENANT, `model ${model}`);
    }
    const answer = await post();
    expect(answer.status).toBe(429);
    expect(answer.headers.get('retry-after')).toBe('1');
    expect(await answer.json()).toMatchObject({ error: { code: 'queue_full' } });
  });

  it('keeps the connection for a small body and ends it for a large one', async () => {
    const { gate, post } = await start('openai-chat');
    fill(gate, TENANT);
    const [small, large] = [await post(), await post(JSON.stringify({ text: 'x'.repeat(100_000) }))];
    expect([small.status, large.status]).toEqual([503, 503]);
    expect(small.headers.get('connection')).not.toBe('close');
    expect(large.headers.get('connection')).toBe('close');
    await Promise.all([small.text(), large.text()]);
  });
});
