/** A file as large as they may be, through an ingress that must not hold it. */
import { readFile } from 'node:fs/promises';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { z } from 'zod';
import type { StartedProcess } from '#test/support/flo2-process';
import { openRoleEnvironment, type RoleEnvironment } from '#test/support/role-environment';
import { createTenant } from '#test/support/tenant';

const MEBIBYTE = 1024 * 1024;
const FILE_MEBIBYTES = 190;
/** The parts under way at both ends, and what the collector has not come to. */
const GROWTH_MEBIBYTES_MAX = 150;

let surroundings: RoleEnvironment;
let ingress: StartedProcess;
let apiKey: string;

beforeAll(async () => {
  surroundings = await openRoleEnvironment();
  const { start, simulator, adminKey } = surroundings;
  const [control, started] = await Promise.all([start('control'), start('ingress')]);
  ingress = started;
  const tenant = await createTenant({ url: control.url ?? '', adminKey }, { simulatorUrl: simulator.url });
  apiKey = tenant.apiKey;
}, 60_000);

afterAll(() => surroundings.close());

const peakMebibytes = async (): Promise<number> => {
  const status = await readFile(`/proc/${ingress.pid}/status`, 'utf8').catch(() => '');
  return Number(/VmHWM:\s+(\d+) kB/.exec(status)?.[1] ?? 0) / 1_024;
};

const created = z.looseObject({ id: z.string(), bytes: z.number(), purpose: z.string() });

it('takes in nearly 200 MB, with the purpose behind the bytes, and holds little of it', async () => {
  const boundary = 'the-boundary';
  const piece = Buffer.alloc(MEBIBYTE, 'x');
  async function* form(): AsyncGenerator<Uint8Array> {
    yield Buffer.from(
      `--${boundary}\r\ncontent-disposition: form-data; name="file"; filename="large.jsonl"\r\n\r\n`,
    );
    for (let sent = 0; sent < FILE_MEBIBYTES; sent += 1) yield piece;
    yield Buffer.from(
      `\r\n--${boundary}\r\ncontent-disposition: form-data; name="purpose"\r\n\r\nbatch\r\n--${boundary}--\r\n`,
    );
  }
  const before = await peakMebibytes();
  const answer = await fetch(`${ingress.url}/v1/files`, {
    method: 'POST',
    headers: {
      authorization: `Bearer ${apiKey}`,
      'content-type': `multipart/form-data; boundary=${boundary}`,
    },
    body: ReadableStream.from(form()),
    duplex: 'half',
  });
  const file = created.parse(await answer.json());
  expect(file).toMatchObject({ bytes: FILE_MEBIBYTES * MEBIBYTE, purpose: 'batch' });

  const content = await fetch(`${ingress.url}/v1/files/${file.id}/content`, {
    headers: { authorization: `Bearer ${apiKey}` },
  });
  let read = 0;
  for await (const chunk of content.body ?? []) read += chunk.length;
  expect(read).toBe(FILE_MEBIBYTES * MEBIBYTE);
  expect((await peakMebibytes()) - before).toBeLessThan(GROWTH_MEBIBYTES_MAX);
});
