/** `services/all/main.ts` as people run it: a process of its own, with everything it starts itself. */
import { randomBytes } from 'node:crypto';
import { access, readFile, stat } from 'node:fs/promises';
import { createServer } from 'node:net';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { afterEach, describe, expect, inject, it, vi } from 'vitest';
import { z } from 'zod';
import { isLocked } from '#embedded/data-directory-lock';
import { stopLeftoverNatsServer } from '#embedded/nats-server';
import { stopLeftoverPostgres } from '#embedded/postgres';
import { launchProcess, mintSecrets, startProcess, type StartedProcess } from '#test/support/flo2';
import { createDatabase, startNats } from '#test/support/services';

// Whole programs start here, several in a row.
vi.setConfig({ testTimeout: 120_000 });

const leftovers: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const remove of leftovers.splice(0).toReversed()) await remove();
});

/** A place for embedded servers; what a failed test leaves running there is stopped. */
const createDataDir = (): string => {
  const path = join(inject('testRun').directory, `start-${randomBytes(6).toString('hex')}`);
  leftovers.push(async () => {
    await stopLeftoverNatsServer(join(path, 'nats'));
    await stopLeftoverPostgres(join(path, 'postgres'));
  });
  return path;
};

const startFlo2 = async (
  env: Readonly<Record<string, string>>,
  args: readonly string[] = [],
): Promise<StartedProcess & { url: string }> => {
  const started = await startProcess('all', env, args);
  leftovers.push(async () => {
    started.kill('SIGKILL');
    await started.exited;
  });
  if (started.url === null) throw new Error(`no address in:\n${started.output()}`);
  return { ...started, url: started.url };
};

const stop = async (started: StartedProcess): Promise<void> => {
  started.kill('SIGTERM');
  expect(await started.exited, started.output()).toEqual({ code: 0, signal: null });
};

const fetchJson = async (url: string, key: string, body?: object): Promise<unknown> => {
  const answer = await fetch(url, {
    headers: { authorization: `Bearer ${key}`, 'content-type': 'application/json' },
    ...(body === undefined ? {} : { method: 'POST', body: JSON.stringify(body) }),
  });
  expect(answer.status, url).toBeLessThan(300);
  return answer.json();
};

const exists = (path: string): Promise<boolean> =>
  access(path).then(
    () => true,
    () => false,
  );

const embeddedEnvironment = (dataDir: string): Record<string, string> => ({
  FLO2_DATA_DIR: dataDir,
  FLO2_NATS_SERVER: inject('testRun').natsServerPath,
});

describe.runIf(process.env['FLO2_TEST_SERVICES'] !== 'containers')('npm start', () => {
  it('starts all it needs, imports a provider key, stops it all, and has its data when it starts again', async () => {
    const dataDir = createDataDir();
    const env = embeddedEnvironment(dataDir);
    const first = await startFlo2({
      ...env,
      OPENAI_API_KEY: 'sk-of-a-newcomer',
      GEMINI_API_KEY: 'AIza-of-a-newcomer',
    });
    expect((await fetch(`${first.url}/healthz`)).status).toBe(200);
    expect((await fetch(`${first.url}/readyz`)).status).toBe(200);

    const adminKey = (await readFile(join(dataDir, 'admin-key'), 'utf8')).trim();
    expect(first.output().split(adminKey)).toHaveLength(2);
    for (const name of ['admin-key', 'master-key']) {
      expect((await stat(join(dataDir, name))).mode & 0o777).toBe(0o600);
    }
    expect(first.output()).toContain('uses your key of openai and google');
    expect(first.output()).not.toContain('of-a-newcomer');
    const apiKey =
      /shown this once: (flo2_\S+)\n/.exec(first.output().split('tenant "default"')[1] ?? '')?.[1] ?? '';
    const models = z.object({ data: z.array(z.object({ id: z.string() })) });
    expect(models.parse(await fetchJson(`${first.url}/v1/models`, apiKey)).data.length).toBeGreaterThan(0);
    await stop(first);
    expect(await exists(join(dataDir, 'postgres', 'cluster', 'postmaster.pid'))).toBe(false);
    expect(await isLocked(dataDir)).toBe(false);
    await expect(fetch(`${first.url}/healthz`)).rejects.toThrow();

    const second = await startFlo2({ ...env, OPENAI_API_KEY: 'sk-of-a-newcomer' });
    expect(second.output()).not.toContain(adminKey);
    expect(second.output()).toContain('were imported by an earlier start');
    const tenants = z.object({ data: z.array(z.object({ name: z.string() })) });
    expect(tenants.parse(await fetchJson(`${second.url}/api/v1/tenants`, adminKey)).data).toEqual([
      { name: 'default' },
    ]);
    expect(models.parse(await fetchJson(`${second.url}/v1/models`, apiKey)).data.length).toBeGreaterThan(0);
    await stop(second);
  });

  it('takes over the servers of a flo2 that was killed', async () => {
    const env = embeddedEnvironment(createDataDir());
    const killed = await startFlo2(env);
    killed.kill('SIGKILL');
    await killed.exited;
    const next = await startFlo2(env);
    expect((await fetch(`${next.url}/readyz`)).status).toBe(200);
    await stop(next);
  });

  it('says which variable to change when the port is taken, and starts nothing', async () => {
    const taken = createServer();
    await new Promise<void>((resolve) => taken.listen(0, '127.0.0.1', resolve));
    const { port } = taken.address() as AddressInfo;
    const dataDir = createDataDir();
    const launched = launchProcess('all', { ...embeddedEnvironment(dataDir), FLO2_PORT: String(port) });
    expect((await launched.exited).code).toBe(1);
    expect(launched.output()).toContain(
      `Port ${port} of 127.0.0.1 is taken by another program: stop that one, or set FLO2_PORT to another port`,
    );
    expect(await exists(join(dataDir, 'postgres'))).toBe(false);
    taken.close();
  });

  it('stops in good order when it is told to while it starts', async () => {
    const dataDir = createDataDir();
    const launched = launchProcess('all', { ...embeddedEnvironment(dataDir), FLO2_PORT: '0' });
    await launched.waitFor(/Starting Postgres/);
    launched.kill('SIGINT');
    expect((await launched.exited).code, launched.output()).toBe(0);
    expect(await exists(join(dataDir, 'postgres', 'cluster', 'postmaster.pid'))).toBe(false);
    expect(await isLocked(dataDir)).toBe(false);
  });
});

describe('a wrong environment', () => {
  it('ends every role at once with a sentence for each fault', async () => {
    const launched = launchProcess('worker', {
      FLO2_WORKER_CONCURRENCY: 'many',
      DATABASE_URL: 'mysql://u:p@db',
    });
    expect((await launched.exited).code).toBe(2);
    expect(launched.output()).toContain(
      'FLO2_WORKER_CONCURRENCY is "many"; expected a whole number from 1 to 4096.',
    );
    expect(launched.output()).toContain('NATS_URL is not set; expected');
    expect(launched.output()).toMatch(/DATABASE_URL has a wrong value .* not shown/);
    expect(launched.output()).not.toContain('u:p@');
  });

  it('is found by --validate, which starts nothing', async () => {
    const dataDir = createDataDir();
    const valid = launchProcess('all', { FLO2_DATA_DIR: dataDir }, ['--validate']);
    expect([(await valid.exited).code, valid.output()]).toEqual([0, 'configuration is valid\n']);
    expect(await exists(dataDir)).toBe(false);
    const wrong = launchProcess('all', { FLO2_PROT: '80' }, ['--validate']);
    expect((await wrong.exited).code).toBe(2);
    expect(wrong.output()).toContain('did you mean FLO2_PORT?');
  });

  it('includes a database of its own without a master key, which would be lost', async () => {
    const launched = launchProcess('all', { DATABASE_URL: 'postgres://u:p@127.0.0.1/x' });
    expect((await launched.exited).code).toBe(2);
    expect(launched.output()).toContain('FLO2_MASTER_KEY is not set');
  });
});

describe('npm start -- --demo', () => {
  it('shows an answer and its cost to a newcomer without a provider key', async () => {
    const database = await createDatabase();
    leftovers.push(database.drop);
    const nats = await startNats();
    leftovers.push(nats.stop);
    const dataDir = createDataDir();
    const env = {
      FLO2_DATA_DIR: dataDir,
      FLO2_MASTER_KEY: mintSecrets().masterKey,
      DATABASE_URL: database.url,
      NATS_URL: nats.url,
    };
    const readEnvironment = async () => {
      const text = await readFile(join(dataDir, 'demo', 'demo.env'), 'utf8');
      return {
        url: /^FLO2_URL=(.+)$/m.exec(text)?.[1] ?? '',
        apiKey: /^FLO2_API_KEY=(.+)$/m.exec(text)?.[1] ?? '',
      };
    };
    const first = await startFlo2(env, ['--demo']);
    await first.waitFor(/the demo has sent its traffic · sent=24 · answered=24/);
    const { url, apiKey } = await readEnvironment();
    expect(url).toBe(first.url);

    const streamed = await fetch(`${url}/v1/chat/completions`, {
      method: 'POST',
      headers: { authorization: `Bearer ${apiKey}`, 'content-type': 'application/json' },
      body: JSON.stringify({
        model: 'openai/gpt-4o-mini',
        stream: true,
        messages: [{ role: 'user', content: 'echo: hello' }],
      }),
    });
    expect(streamed.status).toBe(200);
    expect(await streamed.text()).toMatch(/data: \[DONE\]\s*$/);

    const usage = z.object({ data: z.array(z.object({ requests: z.number(), cost: z.string() })) });
    const query = { from: '2026-01-01T00:00:00Z', to: '2100-01-01T00:00:00Z', granularity: 'total' };
    const readUsage = async (address: string, key: string) =>
      usage.parse(await fetchJson(`${address}/api/v1/usage/query`, key, query)).data[0];
    await vi.waitFor(async () => expect((await readUsage(url, apiKey))?.requests).toBe(25), 20_000);
    expect(Number((await readUsage(url, apiKey))?.cost)).toBeGreaterThan(0);
    await stop(first);

    const second = await startFlo2(env, ['--demo']);
    await second.waitFor(/sent=24 · answered=24/);
    expect((await readEnvironment()).apiKey).toBe(apiKey);
    await vi.waitFor(async () => expect((await readUsage(second.url, apiKey))?.requests).toBe(49), 20_000);
    await stop(second);
  });
});
