/** The commands for batches, as a person or a script runs them. */
import { spawn } from 'node:child_process';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, it, vi } from 'vitest';
import { z } from 'zod';
import { startStack, type Stack } from '#test/support/stack';
import type { TestTenant } from '#test/support/tenant';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));

let stack: Stack;
let tenant: TestTenant;
let directory: string;

beforeAll(async () => {
  stack = await startStack({ workerQueuedConcurrency: 4 });
  tenant = await stack.createTenant({ providerKeys: [{ provider: 'openai' }] });
  directory = await mkdtemp(join(tmpdir(), 'flo2-cli-'));
});
afterAll(async () => {
  await stack.close();
  await rm(directory, { recursive: true, force: true });
});

const run = (...args: string[]) => {
  const child = spawn(process.execPath, ['services/cli/main.ts', ...args], {
    cwd: ROOT,
    env: { PATH: process.env['PATH'], FLO2_URL: stack.flo2.url, FLO2_API_KEY: tenant.apiKey },
  });
  let [out, err] = ['', ''];
  child.stdout.setEncoding('utf8').on('data', (text: string) => (out += text));
  child.stderr.setEncoding('utf8').on('data', (text: string) => (err += text));
  const ended = new Promise<{ code: number | null; out: string; err: string }>((resolve) => {
    child.once('close', (code) => resolve({ code, out, err }));
  });
  return { child, ended, err: () => err };
};

const writeLines = async (name: string, lines: readonly unknown[]): Promise<string> => {
  const path = join(directory, name);
  await writeFile(
    path,
    lines.map((line) => (typeof line === 'string' ? line : JSON.stringify(line))).join('\n'),
  );
  return path;
};

const lineOf = (customId: string, model = 'openai/gpt-4o-mini-sim-tokens-4') => ({
  custom_id: customId,
  method: 'POST',
  url: '/v1/chat/completions',
  body: { model, messages: [{ role: 'user', content: customId }] },
});

const customIds = (text: string): string[] =>
  text
    .trim()
    .split('\n')
    .map((row) => z.looseObject({ custom_id: z.string() }).parse(JSON.parse(row)).custom_id)
    .sort();

it('submits a file, shows its progress and hands out its results', async () => {
  const path = await writeLines('good.jsonl', [
    lineOf('a'),
    lineOf('b'),
    lineOf('c', 'openai/gpt-4o-mini-sim-error-400'),
  ]);
  const submitted = await run('batch', 'submit', path, '--watch').ended;
  expect(submitted.code, submitted.err).toBe(0);
  const id = submitted.out.trim();
  expect(id).toMatch(/^batch_/);
  expect(submitted.err).toMatch(/completed {2}█{30} 100 % · 3 of 3 lines · 1 failed/);

  const shown = await run('batch', 'results', id).ended;
  expect(customIds(shown.out)).toEqual(['a', 'b']);
  const output = join(directory, 'results.jsonl');
  expect(await run('batch', 'results', id, '--output', output).ended).toMatchObject({ code: 0, out: '' });
  expect(customIds(await readFile(output, 'utf8'))).toEqual(['a', 'b']);
  expect(customIds((await run('batch', 'results', id, '--errors').ended).out)).toEqual(['c']);
});

it('says what is wrong with a file, by its line', async () => {
  const path = await writeLines('wrong.jsonl', [lineOf('a'), '{"custom_id": "b"', lineOf('a')]);
  const { code, err } = await run('batch', 'submit', path, '--watch').ended;
  expect(code).toBe(1);
  expect(err).toMatch(/line 2: This line is not parseable as valid JSON\. \(invalid_json_line\)/);
  expect(err).toMatch(/line 3: .*\(duplicate_custom_id\)/);
  expect(err).toMatch(/The batch batch_\w+ is failed\./);
});

it.each([
  [['batch', 'submit'], 2, /Give one file\./],
  [['batch', 'submit', '/nowhere.jsonl'], 1, /nowhere\.jsonl: there is no such file\./],
  [['batch', 'watch', 'batch_none'], 1, /No batch found with this id\./],
  [['batch', 'results', 'batch_none'], 1, /No batch found with this id\./],
  [['batch', 'cancel', 'batch_none'], 1, /No batch found with this id\./],
])('refuses %j', async (args, expected, message) => {
  const { code, err } = await run(...args).ended;
  expect(err).toMatch(message);
  expect(code).toBe(expected);
});

it('refuses a file that is empty, or no requests, before it is uploaded', async () => {
  const empty = await writeLines('empty.jsonl', ['']);
  expect((await run('batch', 'submit', empty).ended).err).toMatch(/empty\.jsonl: it has no requests\./);
  const text = await writeLines('text.jsonl', ['Dear model,']);
  expect((await run('batch', 'submit', text).ended).err).toMatch(/its first line is no JSON/);
});

it('cancels a batch, which its watcher is told', async () => {
  const slow = Array.from({ length: 40 }, (_, index) =>
    lineOf(String(index), 'openai/gpt-4o-mini-sim-latency-3000-tokens-4'),
  );
  const id = (await run('batch', 'submit', await writeLines('slow.jsonl', slow)).ended).out.trim();
  const watching = run('batch', 'watch', id);
  await vi.waitFor(() => expect(watching.err()).toMatch(/in_progress/), { timeout: 15_000 });
  const cancelled = await run('batch', 'cancel', id).ended;
  expect(cancelled.out).toMatch(/is cancell(?:ing|ed); \d+ of 40 lines were answered/);
  const { code, err } = await watching.ended;
  expect(code).toBe(1);
  expect(err).toMatch(/The batch batch_\w+ is cancelled\./);
});

it('leaves a batch alone when its watcher is interrupted', async () => {
  const path = await writeLines('one.jsonl', [lineOf('a', 'openai/gpt-4o-mini-sim-latency-3000-tokens-4')]);
  const submitting = run('batch', 'submit', path, '--watch');
  await vi.waitFor(() => expect(submitting.err()).toMatch(/in_progress/), { timeout: 15_000 });
  submitting.child.kill('SIGINT');
  const { code, out } = await submitting.ended;
  expect(code).toBe(130);
  const watched = await run('batch', 'watch', out.trim()).ended;
  expect(watched.code, watched.err).toBe(0);
});
