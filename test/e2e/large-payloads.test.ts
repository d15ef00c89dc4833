/** Requests over what one message of the queue holds: claim checks in the object store. */
import { Objm } from '@nats-io/obj';
import type { NatsConnection } from '@nats-io/transport-node';
import { afterAll, beforeAll, expect, it, vi } from 'vitest';
import { PAYLOAD_BUCKET } from '#contracts/subjects';
import { connectNats } from '#nats/connection';
import { createPayloadStore } from '#nats/payload-store';
import { createLogger } from '#runtime/logger';
import { startStack, type Stack } from '#test/support/stack';

const MIB = 1024 * 1024;

let stack: Stack;
let connection: NatsConnection;
let apiKey: string;

beforeAll(async () => {
  stack = await startStack();
  const logger = createLogger({ name: 'test', level: 'silent', format: 'json' });
  connection = await connectNats({ url: stack.natsUrl, name: 'test', logger });
  ({ apiKey } = await stack.createTenant());
});

afterAll(async () => {
  await connection.close();
  await stack.close();
});

const send = async (model: string, bytes: number): Promise<{ status: number; text: string }> => {
  const answer = await fetch(`${stack.flo2.url}/v1/chat/completions`, {
    method: 'POST',
    headers: { authorization: `Bearer ${apiKey}`, 'content-type': 'application/json' },
    body: JSON.stringify({
      model,
      messages: [
        { role: 'system', content: 'x'.repeat(bytes) },
        { role: 'user', content: 'echo: it came through' },
      ],
    }),
  });
  return { status: answer.status, text: await answer.text() };
};

const kept = async (): Promise<string[]> => {
  const store = await new Objm(connection).open(PAYLOAD_BUCKET.name);
  return (await store.list()).map(({ name }) => name);
};

it.each([['openai/gpt-4o-mini'], ['anthropic/claude-haiku-4-5']])(
  'brings a body of 12 MiB to %s, and keeps nothing of it',
  async (model) => {
    const answer = await send(model, 12 * MIB);
    expect(answer).toMatchObject({ status: 200, text: expect.stringContaining('it came through') });
    await vi.waitFor(async () => expect(await kept()).toEqual([]), 5_000);
  },
);

it('refuses a body over the limit, which is 20 MiB', async () => {
  const answer = await send('openai/gpt-4o-mini', 20 * MIB);
  expect(answer).toMatchObject({ status: 413, text: expect.stringContaining(String(20 * MIB)) });
});

it('gives out only what is whole', async () => {
  const payloads = createPayloadStore(connection);
  const bytes = Buffer.from('a payload');
  const reference = await payloads.put('req_a', bytes);
  expect(Buffer.from(await payloads.get(reference)).equals(bytes)).toBe(true);
  await payloads.put('req_a', Buffer.from('a PAYLOAD'));
  await expect(payloads.get(reference)).rejects.toMatchObject({ code: 'unavailable' });
  await payloads.remove('req_a');
  await expect(payloads.get(reference)).rejects.toMatchObject({ code: 'unavailable' });
  await payloads.remove('never there');
});
