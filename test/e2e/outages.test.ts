/** The servers underneath go away and come back while flo2 runs. */
import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import { Client } from 'pg';
import { afterAll, beforeAll, describe, expect, inject, it, vi } from 'vitest';
import { findFreePort } from '#embedded/free-port';
import { startNatsServer, type RunningNatsServer } from '#embedded/nats-server';
import { startSimulator, type Simulator } from '#test/simulators/simulator';
import { startAll, type RunningFlo2, type TestTenant } from '#test/support/flo2';
import { createDatabase, type TestDatabase } from '#test/support/services';

const { kind, directory, natsServerPath } = inject('testRun');

// A container comes back at another port, so these need the program itself.
describe.skipIf(kind === 'containers')('an outage', () => {
  let database: TestDatabase;
  let nats: RunningNatsServer;
  let restartNats: () => Promise<void>;
  let simulator: Simulator;
  let flo2: RunningFlo2;
  let tenant: TestTenant;

  beforeAll(async () => {
    database = await createDatabase();
    const dataDir = join(directory, `nats-${randomBytes(8).toString('hex')}`);
    const port = await findFreePort();
    restartNats = async () => {
      nats = await startNatsServer({ dataDir, port, explicitPath: natsServerPath });
    };
    await restartNats();
    simulator = await startSimulator();
    flo2 = await startAll({ database, nats: { url: nats.url } });
    tenant = await flo2.createTenant({ simulatorUrl: simulator.url });
  });

  afterAll(async () => {
    await flo2.close();
    await simulator.close();
    await nats.stop();
    await database.drop();
  });

  const send = async (model = 'openai/gpt-4o-mini') => {
    const answer = await fetch(`${flo2.url}/v1/chat/completions`, {
      method: 'POST',
      headers: { authorization: `Bearer ${tenant.apiKey}`, 'content-type': 'application/json' },
      body: JSON.stringify({ model, messages: [{ role: 'user', content: 'echo: hello' }] }),
    });
    return { status: answer.status, text: await answer.text() };
  };

  const answersAgain = () =>
    vi.waitFor(async () => expect((await send()).status).toBe(200), { timeout: 20_000, interval: 100 });

  const countEvents = async (): Promise<number> => {
    const client = new Client({ connectionString: database.url });
    await client.connect();
    try {
      const { rows } = await client.query<{ count: string }>('select count(*) from usage_event');
      return Number(rows[0]?.count);
    } finally {
      await client.end();
    }
  };

  const ledgerHasEveryCall = () =>
    vi.waitFor(async () => expect(await countEvents()).toBe(simulator.log.attempts.length), {
      timeout: 20_000,
      interval: 100,
    });

  it('of NATS is told to callers at once, and over as soon as it is back', async () => {
    expect((await send()).status).toBe(200);
    await nats.stop();
    const refused = await vi.waitFor(
      async () => {
        const answer = await send();
        expect(answer.status).toBe(503);
        return answer;
      },
      { timeout: 15_000 },
    );
    expect(refused.text).toContain('unavailable');
    await restartNats();
    await answersAgain();
    await ledgerHasEveryCall();
  });

  it('of Postgres does not keep known callers waiting, and the ledger catches up', async () => {
    expect((await send()).status).toBe(200);
    await ledgerHasEveryCall();
    const { postgresUrl } = inject('testRun');
    const name = new URL(database.url).pathname.slice(1);
    const admin = new Client({ connectionString: `${postgresUrl}/postgres` });
    await admin.connect();
    try {
      // To this database the server is down: connections are broken off and refused.
      await admin.query(`alter database ${name} allow_connections false`);
      await admin.query(
        'select pg_terminate_backend(pid) from pg_stat_activity where datname = $1 and pid <> pg_backend_pid()',
        [name],
      );
      for (let count = 0; count < 5; count += 1) expect((await send()).status).toBe(200);
    } finally {
      await admin.query(`alter database ${name} allow_connections true`);
      await admin.end();
    }
    await ledgerHasEveryCall();
  });
});
