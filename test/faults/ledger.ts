/**
 * `npm run test:faults:ledger -- [--events 1000000] [--seed 1]`: random events, out of order and partly twice,
 * while metering, Postgres and the nats-server are killed at random. Passes when the ledger is, to the last
 * unit, the one that the same events make in order and in peace.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { Client } from 'pg';
import { findFreePort } from '#embedded/free-port';
import { startNatsServer, type RunningNatsServer } from '#embedded/nats-server';
import { startPostgres, type RunningPostgres } from '#embedded/postgres';
import { connectNats } from '#nats/connection';
import { provisionStreams } from '#nats/provision';
import { openDatabase, type Database } from '#postgres/database';
import { createLogger } from '#runtime/logger';
import { prepareDatabase } from '#services/migrate/prepare-database';
import { startProcess } from '#test/support/flo2-process';
import {
  breakThings,
  hashLedger,
  publishAll,
  recordInPeace,
  stormDeliveries,
  stormEvents,
  waitForEvents,
} from '#test/support/ledger-storm';
import { stopOnSignal } from '#test/support/stop-on-signal';

const { values } = parseArgs({
  options: { events: { type: 'string', default: '1000000' }, seed: { type: 'string', default: '1' } },
});
const count = Number(values.events);
const seed = Number(values.seed);
const say = (line: string): void => console.log(line);
const logger = createLogger({ name: 'faults', level: 'silent', format: 'json' });

const directory = await mkdtemp(join(tmpdir(), 'flo2-storm-'));
const ports = { postgres: await findFreePort(), nats: await findFreePort() };
const openPostgres = () => startPostgres({ dataDir: join(directory, 'postgres'), port: ports.postgres });
const openNats = () => startNatsServer({ dataDir: join(directory, 'nats'), port: ports.nats });
let postgres: RunningPostgres = await openPostgres();
let nats: RunningNatsServer = await openNats();
const opened: Database[] = [];
const open = (url: string): Database => {
  const database = openDatabase({ url, poolMax: 2, applicationName: 'storm', onIdleError: () => undefined });
  opened.push(database);
  return database;
};

const stopServers = async (): Promise<void> => {
  await nats.stop();
  await postgres.stop();
  await rm(directory, { recursive: true, force: true });
};
stopOnSignal(stopServers);

try {
  const stormUrl = postgres.url;
  const peaceUrl = stormUrl.replace(/[^/]+$/, 'peace');
  const owner = new Client({ connectionString: stormUrl });
  await owner.connect();
  await owner.query('create database peace');
  await owner.end();
  for (const databaseUrl of [stormUrl, peaceUrl])
    await prepareDatabase({ databaseUrl, priceChangePercentMax: 0 }, logger);
  const storm = open(stormUrl);
  const environment = { DATABASE_URL: stormUrl, NATS_URL: nats.url, FLO2_DRAIN_TIMEOUT_MS: '5000' };
  const connection = await connectNats({ url: nats.url, name: 'storm', logger });
  await provisionStreams(connection);
  const events = stormEvents(count, seed);
  say(`${events.length.toLocaleString('en')} events; first in peace`);
  const peace = open(peaceUrl);
  await recordInPeace(peace, events);

  const startMetering = () => startProcess('metering', environment);
  const metering = [await startMetering(), await startMetering()];
  const calm = new AbortController();
  const breaking = breakThings({
    seed,
    signal: calm.signal,
    everyMs: 4_000,
    metering,
    startMetering,
    restartNats: async () => {
      process.kill(nats.pid, 'SIGKILL');
      await nats.stop();
      nats = await openNats();
    },
    restartPostgres: async () => {
      process.kill(postgres.pid, 'SIGKILL');
      await postgres.stop();
      postgres = await openPostgres();
    },
  });
  const startedMs = performance.now();
  const recordAll = async (): Promise<void> => {
    await publishAll(connection, stormDeliveries(events, seed));
    await waitForEvents(storm, events.length, 180_000);
    calm.abort();
  };
  const [faults] = await Promise.all([breaking, recordAll()]);
  say(
    `all recorded after ${Math.round((performance.now() - startedMs) / 1_000)} s; killed: ${JSON.stringify(faults)}`,
  );
  for (const each of metering) each.kill('SIGTERM');
  await Promise.all(metering.map((each) => each.exited));
  await connection.close();
  const [stormy, peaceful] = [await hashLedger(storm), await hashLedger(peace)];
  for (const [table, hash] of Object.entries(peaceful)) {
    const isSame = stormy[table] === hash;
    say(`${isSame ? 'same ' : 'OTHER'} ${table} ${hash}${isSame ? '' : ` but ${stormy[table] ?? ''}`}`);
    if (!isSame) process.exitCode = 1;
  }
} finally {
  for (const database of opened) await database.close().catch(() => undefined);
  await stopServers();
}
