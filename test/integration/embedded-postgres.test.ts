import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Client } from 'pg';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { isRunning } from '#embedded/own-process';
import { startPostgres, type RunningPostgres } from '#embedded/postgres';

let directory: string;
let running: RunningPostgres[];
/** mkdtemp gives a directory that only its owner may enter, as the clone's parent may be. */
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'embedded-postgres-'));
  running = [];
});
afterEach(async () => {
  for (const postgres of running) await postgres.stop();
  await rm(directory, { recursive: true, force: true });
});

const start = async (onProgress?: (line: string) => void): Promise<RunningPostgres> => {
  const postgres = await startPostgres({
    dataDir: join(directory, 'postgres'),
    durability: 'test',
    ...(onProgress === undefined ? {} : { onProgress }),
  });
  running.push(postgres);
  return postgres;
};

const query = async (url: string, statement: string): Promise<unknown[]> => {
  const client = new Client({ connectionString: url });
  await client.connect();
  try {
    return (await client.query(statement)).rows;
  } finally {
    await client.end();
  }
};

it('starts, keeps its data over a restart and stops', async () => {
  const first = await start();
  await query(first.url, 'create table kept as select 42 as answer');
  await Promise.all([first.stop(), first.stop()]);
  expect(await isRunning(first.pid)).toBe(false);

  const second = await start();
  expect(await query(second.url, 'select answer from kept')).toEqual([{ answer: 42 }]);
});

it('lets nobody in without the password, which only its owner may read', async () => {
  const { url } = await start();
  const wrong = new URL(url);
  wrong.password = 'guessed';
  await expect(query(wrong.href, 'select 1')).rejects.toThrow('password authentication failed');
  const { mode } = await stat(join(directory, 'postgres', 'password'));
  expect(mode & 0o777).toBe(0o600);
});

it('refuses a second start beside a live one and leaves that alone', async () => {
  const first = await start();
  await expect(start()).rejects.toThrow(`Another flo2 (process ${process.pid}) uses the data directory`);
  expect(await query(first.url, 'select 1 as one')).toEqual([{ one: 1 }]);
});

it('stops the server that a killed flo2 left behind, keeping its data', async () => {
  const program = `
    const { startPostgres } = await import(${JSON.stringify(new URL('../../libs/embedded/postgres.ts', import.meta.url).href)});
    const { pid, url } = await startPostgres({ dataDir: ${JSON.stringify(join(directory, 'postgres'))}, durability: 'test' });
    console.log(JSON.stringify({ pid, url }));
    setInterval(() => {}, 1_000);`;
  const child = spawn(process.execPath, ['--input-type=module', '-e', program], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const [line] = await once(child.stdout.setEncoding('utf8'), 'data');
  const { pid, url }: { pid: number; url: string } = JSON.parse(String(line));
  await query(url, 'create table kept as select 42 as answer');
  child.kill('SIGKILL');
  await once(child, 'exit');
  expect(await isRunning(pid)).toBe(true);

  const lines: string[] = [];
  const next = await start((progress) => lines.push(progress));
  expect(lines).toContain('Stopping the Postgres that an earlier flo2 left behind…');
  expect(await isRunning(pid)).toBe(false);
  expect(await query(next.url, 'select answer from kept')).toEqual([{ answer: 42 }]);
});

it('never touches a process that is not its Postgres, whatever the directory says', async () => {
  await (await start()).stop();
  const bystander = spawn('sleep', ['60'], { stdio: 'ignore' });
  try {
    await writeFile(
      join(directory, 'postgres', 'cluster', 'postmaster.pid'),
      `${bystander.pid}\n${join(directory, 'postgres', 'cluster')}\n1\n1\n\n127.0.0.1\n1 1\nready\n`,
    );
    await start();
    expect(bystander.exitCode).toBeNull();
    expect(bystander.signalCode).toBeNull();
  } finally {
    bystander.kill();
  }
});

it('starts afresh where an earlier start was cut off', async () => {
  await mkdir(join(directory, 'postgres', 'cluster.new'), { recursive: true });
  await writeFile(join(directory, 'postgres', 'cluster.new', 'half'), '');
  await writeFile(join(directory, 'postgres', 'password'), 'of the cut off start');
  const { url } = await start();
  expect(await query(url, 'select 1 as one')).toEqual([{ one: 1 }]);
  expect(await readdir(join(directory, 'postgres'))).not.toContain('cluster.new');
});

it('says so once when the server ends by itself', async () => {
  const reasons: string[] = [];
  const ended = Promise.withResolvers<void>();
  const postgres = await startPostgres({
    dataDir: join(directory, 'postgres'),
    durability: 'test',
    onUnexpectedExit: (reason) => {
      reasons.push(reason);
      ended.resolve();
    },
  });
  running.push(postgres);
  process.kill(postgres.pid, 'SIGINT');
  await ended.promise;
  await postgres.stop();
  expect(reasons).toEqual([
    `Postgres ended by itself; its log is ${join(directory, 'postgres', 'postgres.log')}.`,
  ]);
});

it('keeps statements and values out of its log', async () => {
  const { url } = await start();
  await query(url, 'create table secrets (value text primary key)');
  await query(url, `insert into secrets values ('sk-hidden')`);
  await expect(query(url, `insert into secrets values ('sk-hidden')`)).rejects.toThrow('duplicate key');
  const log = await readFile(join(directory, 'postgres', 'postgres.log'), 'utf8');
  expect(log).toContain('duplicate key');
  expect(log).not.toContain('sk-hidden');
});
