import { afterAll, beforeAll, expect, it } from 'vitest';
import { inject } from 'vitest';
import { join } from 'node:path';
import { randomBytes } from 'node:crypto';
import { findFreePort } from '#embedded/free-port';
import { startNatsServer, type RunningNatsServer } from '#embedded/nats-server';
import { connectNats } from '#nats/connection';
import { provisionStreams } from '#nats/provision';
import { createLogger } from '#runtime/logger';
import { startProcess, type StartedProcess } from '#test/support/flo2-process';
import {
  breakThings,
  hashLedger,
  publishAll,
  recordInPeace,
  stormDeliveries,
  stormEvents,
  waitForEvents,
} from '#test/support/ledger-storm';
import { openTestLedger, type TestLedger } from '#test/support/ledger';

const EVENTS = 3_000;
const SEED = 3;
const metering: StartedProcess[] = [];
let storm: TestLedger;
let peace: TestLedger;
let nats: RunningNatsServer;

beforeAll(async () => {
  [storm, peace] = await Promise.all([openTestLedger(), openTestLedger()]);
});
afterAll(async () => {
  for (const each of metering) each.kill('SIGKILL');
  await nats.stop();
  await storm.close();
  await peace.close();
});

it('makes the same ledger of events that come out of order, twice, and to a metering that is killed with its servers', async () => {
  const { directory, natsServerPath } = inject('testRun');
  const dataDir = join(directory, `nats-${randomBytes(8).toString('hex')}`);
  const port = await findFreePort();
  const openNats = () => startNatsServer({ dataDir, port, explicitPath: natsServerPath });
  nats = await openNats();
  const logger = createLogger({ name: 'storm', level: 'silent', format: 'json' });
  const connection = await connectNats({ url: nats.url, name: 'storm', logger });
  await provisionStreams(connection);
  const environment = { DATABASE_URL: storm.url, NATS_URL: nats.url, FLO2_DRAIN_TIMEOUT_MS: '5000' };
  const startMetering = () => startProcess('metering', environment);
  metering.push(...(await Promise.all([startMetering(), startMetering()])));

  const events = stormEvents(EVENTS, SEED);
  await recordInPeace(peace.database, events);
  const calm = new AbortController();
  const breaking = breakThings({
    seed: SEED,
    signal: calm.signal,
    everyMs: 300,
    metering,
    startMetering,
    restartNats: async () => {
      process.kill(nats.pid, 'SIGKILL');
      await nats.stop();
      nats = await openNats();
    },
    // The server is shared with other tests, so only these connections are broken off.
    restartPostgres: async () => {
      await peace.database.pool.query(
        `select pg_terminate_backend(pid) from pg_stat_activity
         where datname = $1 and application_name = 'flo2-metering'`,
        [new URL(storm.url).pathname.slice(1)],
      );
    },
  });
  const deliveries = stormDeliveries(events, SEED);
  for (let start = 0; start < deliveries.length; start += 300) {
    await publishAll(connection, deliveries.slice(start, start + 300));
  }
  calm.abort();
  const faults = await breaking;
  await waitForEvents(storm.database, events.length, 40_000);
  await connection.close();
  expect(Object.values(faults).reduce((sum, times) => sum + times, 0)).toBeGreaterThan(0);
  expect(await hashLedger(storm.database)).toEqual(await hashLedger(peace.database));
}, 120_000);
