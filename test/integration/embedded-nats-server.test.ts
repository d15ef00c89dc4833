import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm, stat, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { jetstream, jetstreamManager } from '@nats-io/jetstream';
import { connect, type NatsConnection } from '@nats-io/transport-node';
import { afterEach, beforeEach, expect, inject, it } from 'vitest';
import { startNatsServer, type NatsServerOptions, type RunningNatsServer } from '#embedded/nats-server';
import { isRunning } from '#embedded/own-process';

let directory: string;
let running: RunningNatsServer[];
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'embedded "nats" '));
  running = [];
});
afterEach(async () => {
  for (const server of running) await server.stop();
  await rm(directory, { recursive: true, force: true });
});

const optionsOf = (): NatsServerOptions => ({
  dataDir: join(directory, 'nats'),
  explicitPath: inject('testRun').natsServerPath,
});
const start = async (options: Partial<NatsServerOptions> = {}): Promise<RunningNatsServer> => {
  const server = await startNatsServer({ ...optionsOf(), ...options });
  running.push(server);
  return server;
};

const withConnection = async <Result>(
  url: string,
  work: (connection: NatsConnection) => Promise<Result>,
): Promise<Result> => {
  const { host, username, password } = new URL(url);
  const connection = await connect({ servers: host, user: username, pass: password });
  try {
    return await work(connection);
  } finally {
    await connection.close();
  }
};

const publishKept = (url: string): Promise<void> =>
  withConnection(url, async (connection) => {
    const manager = await jetstreamManager(connection);
    await manager.streams.add({ name: 'KEPT', subjects: ['kept'] });
    await jetstream(connection).publish('kept', 'message');
  });
const countKept = (url: string): Promise<number> =>
  withConnection(url, async (connection) => {
    const manager = await jetstreamManager(connection);
    return (await manager.streams.info('KEPT')).state.messages;
  });

// Containers bring their own server: where they are asked for, no program need be on this machine.
const withEmbedded = it.runIf(inject('testRun').kind === 'embedded');

withEmbedded('starts, keeps its streams over a restart and stops', async () => {
  const first = await start();
  await publishKept(first.url);
  await Promise.all([first.stop(), first.stop()]);
  expect(await isRunning(first.pid)).toBe(false);

  const port = Number(new URL(first.url).port);
  const second = await start({ port, syncIntervalMs: 'always' });
  expect(second.url).toBe(first.url);
  expect(await countKept(second.url)).toBe(1);
});

withEmbedded('carries messages of up to 8 MB, and lets nobody in without the password', async () => {
  const { url } = await start();
  expect(await withConnection(url, async ({ info }) => info?.max_payload)).toBe(8 * 1024 * 1024);
  await expect(connect({ servers: new URL(url).host })).rejects.toThrow(/authorization/i);
  const { mode } = await stat(join(directory, 'nats', 'nats-server.conf'));
  expect(mode & 0o777).toBe(0o600);
});

withEmbedded('refuses a second start beside a live one and leaves that alone', async () => {
  const first = await start();
  await publishKept(first.url);
  await expect(start()).rejects.toThrow(`Another flo2 (process ${process.pid}) uses the data directory`);
  expect(await countKept(first.url)).toBe(1);
});

withEmbedded('stops the server that a killed flo2 left behind, keeping its streams', async () => {
  const program = `
    const { startNatsServer } = await import(${JSON.stringify(new URL('../../libs/embedded/nats-server.ts', import.meta.url).href)});
    const { pid, url } = await startNatsServer(${JSON.stringify(optionsOf())});
    console.log(JSON.stringify({ pid, url }));
    setInterval(() => {}, 1_000);`;
  const child = spawn(process.execPath, ['--input-type=module', '-e', program], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const [line] = await once(child.stdout.setEncoding('utf8'), 'data');
  const { pid, url }: { pid: number; url: string } = JSON.parse(String(line));
  await publishKept(url);
  child.kill('SIGKILL');
  await once(child, 'exit');
  expect(await isRunning(pid)).toBe(true);

  const lines: string[] = [];
  const next = await start({ onProgress: (progress) => lines.push(progress) });
  expect(lines).toContain('Stopping the nats-server that an earlier flo2 left behind…');
  expect(await isRunning(pid)).toBe(false);
  expect(await countKept(next.url)).toBe(1);
});

withEmbedded('never touches a process that is not its server, whatever the directory says', async () => {
  await (await start()).stop();
  const bystander = spawn('sleep', ['60'], { stdio: 'ignore' });
  try {
    await writeFile(join(directory, 'nats', 'nats-server.pid'), String(bystander.pid));
    await start();
    expect(bystander.exitCode).toBeNull();
    expect(bystander.signalCode).toBeNull();
  } finally {
    bystander.kill();
  }
});

withEmbedded('says what is wrong when the port it must use is taken', async () => {
  const other = createServer().listen(0, '127.0.0.1');
  await once(other, 'listening');
  const address = other.address();
  const port = typeof address === 'object' && address !== null ? address.port : 0;
  try {
    await expect(start({ port, attempts: 2 })).rejects.toThrow(
      /nats-server did not start in 2 attempts.*address already in use/is,
    );
  } finally {
    other.close();
  }
});

withEmbedded('says so once when the server ends by itself', async () => {
  const reasons: string[] = [];
  const ended = Promise.withResolvers<void>();
  const server = await start({
    onUnexpectedExit: (reason) => {
      reasons.push(reason);
      ended.resolve();
    },
  });
  process.kill(server.pid, 'SIGKILL');
  await ended.promise;
  await server.stop();
  expect(reasons).toEqual([
    `nats-server ended by itself; its log is ${join(directory, 'nats', 'nats-server.log')}.`,
  ]);
});
