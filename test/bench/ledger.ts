/**
 * `npm run bench:ledger [-- --events N]`: records N events (10 million unless told), as dense as 10 million are
 * in a month, through the same code that metering runs after it has read a message, into the embedded Postgres
 * with every promise about crashes kept. Prints how many there were in a second, how long the month by team
 * and model takes, what a raw export needs of memory, how many a second come by the event stream, and what a
 * budget's decision costs a request.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { Worker } from 'node:worker_threads';
import type { RunningNatsServer } from '#embedded/nats-server';
import { startPostgres, stopLeftoverPostgres } from '#embedded/postgres';
import type { PriceTerms } from '#domain/price-event';
import { openDatabase, type Database } from '#postgres/database';
import { migrate } from '#postgres/migrate';
import { seedPriceBook } from '#postgres/price-seed';
import { createRollupVerifier } from '#postgres/rollup-verifier';
import { exportAttempts } from '#postgres/usage-export';
import { queryUsage, readLedgerClock } from '#postgres/usage-query';
import { readPriceSources } from '#services/metering/price-sources';
import { READERS } from '#services/metering/service';
import { stopOnSignal } from '#test/support/stop-on-signal';
import { measureDecisions } from './budget-decisions.ts';
import { loadTerms, type RecorderData } from './ledger-recorder.ts';
import { recordStreamed } from './ledger-stream.ts';

const EVENTS_DEFAULT = '10000000';
const MONTH_START_MS = Date.UTC(2026, 9, 1);
const MONTH_END_MS = Date.UTC(2026, 10, 1);
const STEP_MS = (MONTH_END_MS - MONTH_START_MS) / Number(EVENTS_DEFAULT);
/** One for each core of the machine that the target names: Postgres leaves half of each. */
const REPLICAS = 2;
const REPORT_EVERY_MS = 10_000;
const QUERIES = 50;
const EXPORTED_MAX = 1_000_000;
const STREAMED_MAX = 300_000;
const STREAM_START_MS = Date.UTC(2026, 7, 1);

const megabytes = (bytes: number): string => `${Math.round(bytes / 1024 / 1024)} MB`;
const say = (line: string): void => console.log(line);

/** Resolves when one replica has recorded its part. */
const runReplica = (recorder: RecorderData, onRecorded: (count: number) => void): Promise<void> => {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  const thread = new Worker(new URL('ledger-recorder.ts', import.meta.url), { workerData: recorder });
  thread.on('message', onRecorded);
  thread.once('error', reject);
  thread.once('exit', (code) => (code === 0 ? resolve() : reject(new Error(`a replica ended with ${code}`))));
  return promise;
};

const recordAll = async (url: string, events: number): Promise<void> => {
  let recorded = 0;
  const cpu = process.cpuUsage();
  const startedMs = performance.now();
  let reported = { atMs: startedMs, recorded: 0 };
  const onRecorded = (count: number): void => {
    recorded += count;
    const nowMs = performance.now();
    if (nowMs - reported.atMs < REPORT_EVERY_MS) return;
    const rate = ((recorded - reported.recorded) / (nowMs - reported.atMs)) * 1_000;
    say(`  ${recorded.toLocaleString('en')} recorded, ${Math.round(rate).toLocaleString('en')} a second`);
    reported = { atMs: nowMs, recorded };
  };
  await Promise.all(
    Array.from({ length: REPLICAS }, (_, index) => {
      const part = { index, of: REPLICAS };
      return runReplica({ url, events, fromMs: MONTH_START_MS, stepMs: STEP_MS, part }, onRecorded);
    }),
  );
  const seconds = (performance.now() - startedMs) / 1_000;
  const { user, system } = process.cpuUsage(cpu);
  if (recorded !== events) throw new Error(`${recorded} of ${events} events were recorded`);
  say(
    `recorded ${events.toLocaleString('en')} events in ${seconds.toFixed(1)} s: ${Math.round(events / seconds).toLocaleString('en')} a second (target 20,000)`,
  );
  say(`  ${((user + system) / events).toFixed(1)} µs of this process for each, the making of it included`);
};

const measureQuery = async (database: Database): Promise<void> => {
  const clock = await readLedgerClock(database, null);
  const times: number[] = [];
  let rows = 0;
  for (let query = 0; query < QUERIES; query += 1) {
    const startedMs = performance.now();
    const page = await queryUsage(database, {
      tenantId: null,
      fromMs: MONTH_START_MS,
      toMs: MONTH_END_MS,
      timeZone: 'UTC',
      granularity: 'month',
      groupBy: ['team', 'model'],
      filters: {},
      asOf: clock.now,
      costBasis: 'contracted',
      readsRollups: true,
      offset: 0,
      limit: 10_000,
    });
    times.push(performance.now() - startedMs);
    rows = page.rows.length;
  }
  times.sort((a, b) => a - b);
  const at = (share: number): string => (times[Math.ceil(share * times.length) - 1] ?? 0).toFixed(1);
  say(`a month by team and model, ${rows} rows: p50 ${at(0.5)} ms, p95 ${at(0.95)} ms (target 100 ms)`);
};

const measureExport = async (database: Database): Promise<void> => {
  global.gc?.();
  const before = process.memoryUsage().rss;
  let highest = before;
  let exported = 0;
  const clock = await readLedgerClock(database, null);
  const startedMs = performance.now();
  const scope = { tenantId: null, fromMs: MONTH_START_MS, toMs: MONTH_END_MS, filters: {}, asOf: clock.now };
  for await (const piece of exportAttempts(database, scope)) {
    exported += piece.length;
    highest = Math.max(highest, process.memoryUsage().rss);
    if (exported >= EXPORTED_MAX) break;
  }
  const seconds = (performance.now() - startedMs) / 1_000;
  say(
    `a raw export of ${exported.toLocaleString('en')} rows: ${Math.round(exported / seconds).toLocaleString('en')} a second, peak ${megabytes(highest)}, ${megabytes(highest - before)} more than before`,
  );
};

const measureVerification = async (database: Database): Promise<void> => {
  const startedMs = performance.now();
  const from = new Date(MONTH_START_MS);
  const found = await createRollupVerifier(database).verifyRange({
    from,
    to: new Date(MONTH_START_MS + 86_400_000),
    repair: false,
  });
  const equal = found.mismatches.length === 0 && found.unequalDays.length === 0;
  say(
    `a day's sums compared with its events in ${Math.round(performance.now() - startedMs)} ms: ${equal ? 'equal' : 'NOT EQUAL'}`,
  );
  if (!equal) process.exitCode = 1;
};

const { values } = parseArgs({ options: { events: { type: 'string', default: EVENTS_DEFAULT } } });
const events = Number(values.events);
if (!Number.isSafeInteger(events) || events < 1) throw new Error('--events takes a whole number');

const directory = await mkdtemp(join(tmpdir(), 'flo2-bench-ledger-'));
let nats: RunningNatsServer | null = null;
const stopServers = async (): Promise<void> => {
  await nats?.stop();
  await stopLeftoverPostgres(directory);
  await rm(directory, { recursive: true, force: true });
};
stopOnSignal(stopServers);

const measureStream = async (database: Database, terms: PriceTerms): Promise<void> => {
  const streamed = Math.min(events, STREAMED_MAX);
  const seconds = await recordStreamed(database, {
    dataDir: directory,
    events: streamed,
    fromMs: STREAM_START_MS,
    stepMs: STEP_MS,
    terms,
    onNats: (started) => (nats = started),
  });
  say(
    `${streamed.toLocaleString('en')} events read from the stream and recorded: ${Math.round(streamed / seconds).toLocaleString('en')} a second`,
  );
};

const showDecisions = async (database: Database, terms: PriceTerms): Promise<void> => {
  const { decisions, roundTrips, meanMs, p99Ms } = await measureDecisions(database, terms.book);
  say(
    `${decisions.toLocaleString('en')} decisions under two budgets: ${meanMs.toFixed(3)} ms each, p99 ${p99Ms.toFixed(3)} ms (target 1 ms), ${roundTrips} round trips to Postgres in all`,
  );
};

const postgres = await startPostgres({ dataDir: directory });
const database = openDatabase({
  url: postgres.url,
  poolMax: READERS + 1,
  applicationName: 'bench-ledger',
  onIdleError: () => undefined,
});
try {
  await migrate(postgres.url);
  for (const source of readPriceSources()) await seedPriceBook(database, source, { nowMs: MONTH_START_MS });
  const terms = await loadTerms(database);
  await recordAll(postgres.url, events);
  await measureQuery(database);
  await measureVerification(database);
  await measureExport(database);
  await measureStream(database, terms);
  await showDecisions(database, terms);
  const size = await database.pool.query<{ bytes: string }>(
    'select pg_database_size(current_database()) as bytes',
  );
  say(`the database has ${megabytes(Number(size.rows[0]?.bytes))}`);
} finally {
  await database.close();
  await postgres.stop();
  await stopServers();
}
