/** What the queue cannot be rid of in good order: kept, explained, replayed and purged, by API and by command line. */
import { AckPolicy, jetstream, jetstreamManager, RetentionPolicy } from '@nats-io/jetstream';
import { nanos, type NatsConnection } from '@nats-io/transport-node';
import { afterAll, beforeAll, expect, it, vi } from 'vitest';
import { z } from 'zod';
import { connectNats } from '#nats/connection';
import { createLogger } from '#runtime/logger';
import { createApiClient } from '#services/cli/api-client';
import { runCli } from '#services/cli/cli';
import { COMMANDS } from '#services/cli/commands';
import { startStack, type Stack } from '#test/support/stack';

let stack: Stack;
let connection: NatsConnection;

beforeAll(async () => {
  stack = await startStack();
  const logger = createLogger({ name: 'test', level: 'silent', format: 'json' });
  connection = await connectNats({ url: stack.natsUrl, name: 'test', logger });
});

afterAll(async () => {
  await connection.close();
  await stack.close();
});

const flo2 = async (...args: string[]): Promise<{ code: number; printed: string; noted: string }> => {
  const printed: string[] = [];
  const noted: string[] = [];
  const { signal } = new AbortController();
  const code = await runCli(COMMANDS, args, {
    api: createApiClient({ url: stack.flo2.url, keyFor: () => stack.flo2.adminKey, signal }),
    print: (line) => printed.push(line),
    note: (line) => noted.push(line),
    redraw: () => undefined,
    isTerminal: false,
    signal,
  });
  return { code, printed: printed.join('\n'), noted: noted.join('\n') };
};

const letters = z.object({
  data: z.array(
    z.object({ id: z.string(), reason: z.string(), explanation: z.string(), subject: z.string() }),
  ),
});

const list = async (query = '') => {
  const answer = await fetch(`${stack.flo2.url}/api/v1/dead-letters${query}`, {
    headers: { authorization: `Bearer ${stack.flo2.adminKey}` },
  });
  return letters.parse(await answer.json()).data;
};

const untilThere = (count: number) =>
  vi.waitFor(
    async () => {
      const found = await list();
      expect(found).toHaveLength(count);
      return found;
    },
    { timeout: 15_000, interval: 100 },
  );

const poison = (text: string) =>
  jetstream(connection).publish('flo2.req.i.openai.s.gpt-4o.ten_00000000000000000000000001', text);

it('keeps what cannot be read, explains it, and lets it be replayed and purged', async () => {
  const { apiKey } = await stack.createTenant();
  await poison('a secret prompt that is no dispatch');
  const [letter] = await untilThere(1);
  expect(letter).toMatchObject({
    reason: 'unreadable',
    explanation: expect.stringMatching(/not a dispatch/),
  });

  // Its neighbours were not held up.
  const answer = await fetch(`${stack.flo2.url}/v1/chat/completions`, {
    method: 'POST',
    headers: { authorization: `Bearer ${apiKey}`, 'content-type': 'application/json' },
    body: JSON.stringify({ model: 'openai/gpt-4o', messages: [{ role: 'user', content: 'echo: hello' }] }),
  });
  expect(answer.status).toBe(200);

  const id = letter?.id ?? '';
  const listed = await flo2('dead-letters', 'list');
  expect(listed.printed).toContain(`${id}  `);
  expect(listed.printed).not.toContain('secret');
  expect((await flo2('dead-letters', 'show', id)).printed).not.toContain('secret');
  expect((await flo2('dead-letters', 'show', id, '--payload')).printed).toContain('a secret prompt');

  // Unreadable as before: it dies again, as a letter of its own.
  expect(await flo2('dead-letters', 'replay', id)).toMatchObject({ code: 0 });
  const [again] = await untilThere(1);
  expect(again?.id).not.toBe(id);
  expect(await flo2('dead-letters', 'purge', id)).toMatchObject({
    code: 1,
    noted: 'There is no such dead letter.',
  });
  expect(await flo2('dead-letters', 'purge')).toMatchObject({ code: 2 });
  expect(await flo2('dead-letters', 'purge', '--stream', 'REQ_A')).toMatchObject({ printed: '0 are gone' });
  expect(await flo2('dead-letters', 'purge', '--all')).toMatchObject({ printed: '1 are gone' });
  expect(await list()).toEqual([]);
});

it('is for the admin key alone', async () => {
  const { apiKey } = await stack.createTenant({ apiKey: { scopes: ['inference', 'tenant:admin'] } });
  for (const [method, path] of [
    ['GET', ''],
    ['GET', '/dead_1?payload=true'],
    ['POST', '/dead_1/replay'],
    ['DELETE', '?all=true'],
  ]) {
    const answer = await fetch(`${stack.flo2.url}/api/v1/dead-letters${path}`, {
      method: method ?? '',
      headers: { authorization: `Bearer ${apiKey}` },
    });
    expect(answer.status, `${method} ${path}`).toBe(403);
  }
});

it('takes in what JetStream itself has given up on', async () => {
  const manager = await jetstreamManager(connection);
  await manager.streams.add({
    name: 'OF_A_TEST',
    subjects: ['test.>'],
    retention: RetentionPolicy.Workqueue,
  });
  await manager.consumers.add('OF_A_TEST', {
    durable_name: 'reader',
    ack_policy: AckPolicy.Explicit,
    ack_wait: nanos(100),
    max_deliver: 1,
  });
  await jetstream(connection).publish('test.a', 'never acknowledged');
  const reader = await jetstream(connection).consumers.get('OF_A_TEST', 'reader');
  expect(await reader.next({ expires: 1_000 })).not.toBeNull();
  // The server gives up when it is asked again.
  await reader.next({ expires: 1_000 });
  const [letter] = await untilThere(1);
  expect(letter).toMatchObject({ reason: 'exhausted', subject: 'test.a' });
  await vi.waitFor(
    async () => {
      expect((await manager.streams.info('OF_A_TEST')).state.messages).toBe(0);
    },
    { timeout: 15_000 },
  );
});
