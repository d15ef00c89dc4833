/** Files whose bytes lie in an object store: sealed, in parts, repeated where it falters, gone with the file. */
import { randomBytes } from 'node:crypto';
import OpenAI, { toFile } from 'openai';
import { Client } from 'pg';
import { afterAll, beforeAll, expect, it, vi } from 'vitest';
import { readConfiguration } from '#runtime/config';
import { SETTINGS } from '#runtime/settings';
import { startObjectServer, type ObjectServer } from '#test/support/object-server';
import { startStack, type Stack } from '#test/support/stack';
import type { TestTenant } from '#test/support/tenant';

let server: ObjectServer;
let stack: Stack;
let tenant: TestTenant;
let client: OpenAI;

beforeAll(async () => {
  server = await startObjectServer();
  const { objectStore } = readConfiguration(
    { objectStore: SETTINGS.objectStore },
    { FLO2_OBJECT_STORE: server.address },
  );
  stack = await startStack({ objectStore });
  tenant = await stack.createTenant({ providerKeys: [{ provider: 'openai' }] });
  client = new OpenAI({ apiKey: tenant.apiKey, baseURL: `${stack.flo2.url}/v1`, maxRetries: 0 });
});
afterAll(async () => {
  await stack.close();
  await server.close();
});

const upload = async (bytes: Buffer): Promise<string> =>
  (await client.files.create({ purpose: 'batch', file: await toFile(bytes, 'lines.jsonl') })).id;

const partsOf = (id: string): [string, Buffer][] =>
  [...server.objects].filter(([path]) => path.includes(`/${id}/`));

const isHeldByPostgres = async (needle: Buffer): Promise<boolean> => {
  const database = new Client({ connectionString: stack.databaseUrl });
  await database.connect();
  try {
    const { rows } = await database.query(
      'select from file_part where length(sealed) > 0 or position($1 in sealed) > 0',
      [needle],
    );
    return rows.length > 0;
  } finally {
    await database.end();
  }
};

it('keeps a file in parts that only its tenant’s key opens, and reads it back as it was', async () => {
  const bytes = randomBytes(20 * 1024 * 1024 + 7);
  const id = await upload(bytes);
  const parts = partsOf(id);
  expect(parts).toHaveLength(3);
  for (const [, stored] of parts) expect(stored.includes(bytes.subarray(0, 64))).toBe(false);
  expect(await isHeldByPostgres(bytes.subarray(0, 64))).toBe(false);
  const read = Buffer.from(await (await client.files.content(id)).arrayBuffer());
  expect(read.equals(bytes)).toBe(true);
  await client.files.delete(id);
  expect(partsOf(id)).toEqual([]);
});

it('carries out a batch whose input lies there', async () => {
  const line = {
    custom_id: 'a',
    method: 'POST',
    url: '/v1/chat/completions',
    body: { model: 'openai/gpt-4o-mini-sim-tokens-4', messages: [{ role: 'user', content: 'Hi.' }] },
  };
  const { id } = await client.batches.create({
    input_file_id: await upload(Buffer.from(JSON.stringify(line))),
    endpoint: '/v1/chat/completions',
    completion_window: '24h',
  });
  await vi.waitFor(async () => expect((await client.batches.retrieve(id)).status).toBe('completed'), {
    timeout: 20_000,
    interval: 100,
  });
});

it('asks again where the store falters', async () => {
  const bytes = randomBytes(1_000);
  server.failNext(503, 2);
  const id = await upload(bytes);
  server.failNext(500, 1);
  expect(Buffer.from(await (await client.files.content(id)).arrayBuffer()).equals(bytes)).toBe(true);
});

it('refuses an upload that the store does not take, and leaves nothing of it', async () => {
  const before = server.objects.size;
  const made = server.requests.length;
  // The first part is taken, and goes again with the second that is not.
  server.failNext(403, 1, 1);
  await expect(upload(randomBytes(12 * 1024 * 1024))).rejects.toMatchObject({ status: 503 });
  expect(server.requests.slice(made).map((request) => request.split(' ')[0])).toEqual([
    'PUT',
    'PUT',
    'DELETE',
    'DELETE',
  ]);
  expect(server.objects.size).toBe(before);
});

it('says of a store that is full that room has to be made, and asks it once', async () => {
  const made = server.requests.length;
  server.failNext(507, 1);
  await expect(upload(randomBytes(1_000))).rejects.toMatchObject({ status: 507, code: 'storage_full' });
  expect(server.requests.slice(made).filter((request) => request.startsWith('PUT'))).toHaveLength(1);
});

it.each([
  'ftp://key:secret@host/bucket',
  'https://host/bucket',
  'https://key:secret@host/',
  'https://key:secret@host/bucket?acl=public',
  'https://key:%zz@host/bucket',
  'bucket',
])('does not start with %s, and does not repeat it', (address) => {
  const read = (): unknown =>
    readConfiguration({ objectStore: SETTINGS.objectStore }, { FLO2_OBJECT_STORE: address });
  expect(read).toThrow(/FLO2_OBJECT_STORE has a wrong value \(\d+ characters, not shown\)/);
});
