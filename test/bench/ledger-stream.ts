/** What the bench of the ledger shows of the whole way: from the event stream, read by metering itself. */
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { jetstream } from '@nats-io/jetstream';
import { attemptEventSubject } from '#contracts/subjects';
import { startNatsServer, type RunningNatsServer } from '#embedded/nats-server';
import type { PriceTerms } from '#domain/price-event';
import { openAttemptEventSource } from '#nats/attempt-event-source';
import { connectNats } from '#nats/connection';
import { provisionStreams } from '#nats/provision';
import type { Database } from '#postgres/database';
import { createLedger } from '#postgres/ledger';
import { createLogger } from '#runtime/logger';
import { createMetering } from '#services/metering/service';
import { EventText } from './event-text.ts';

const PUBLISHED_AT_ONCE = 2_000;
const POLL_MS = 50;

export type StreamedEvents = {
  dataDir: string;
  events: number;
  fromMs: number;
  stepMs: number;
  terms: PriceTerms;
  /** Given the server, so that it can be stopped whatever happens. */
  onNats: (nats: RunningNatsServer) => void;
};

const countRecorded = async (database: Database, fromMs: number, toMs: number): Promise<number> => {
  const counted = await database.pool.query<{ count: string }>(
    'select coalesce(sum(attempts), 0) as count from usage_day where day >= $1 and day < $2',
    [new Date(fromMs), new Date(toMs)],
  );
  return Number(counted.rows[0]?.count);
};

/** Publishes the events, then has metering record them; resolves to the seconds that took. */
export const recordStreamed = async (database: Database, options: StreamedEvents): Promise<number> => {
  const { events, fromMs, stepMs, terms } = options;
  const nats = await startNatsServer({ dataDir: join(options.dataDir, 'nats') });
  options.onNats(nats);
  const logger = createLogger({ name: 'bench', level: 'silent', format: 'json' });
  const connection = await connectNats({ url: nats.url, name: 'bench-ledger', logger });
  await provisionStreams(connection);
  const client = jetstream(connection);
  const source = new EventText({ events, fromMs, stepMs });
  for (let made = source.take(PUBLISHED_AT_ONCE); made.length > 0; made = source.take(PUBLISHED_AT_ONCE)) {
    await Promise.all(
      made.map(({ bytes }) =>
        client.publish(attemptEventSubject(source.tenantId), bytes, { timeout: 30_000 }),
      ),
    );
  }
  const metering = createMetering({
    source: await openAttemptEventSource(connection),
    ledger: createLedger(database),
    prices: { current: () => terms },
    logger,
  });
  const startedMs = performance.now();
  await metering.start();
  const endMs = fromMs + events * stepMs + 86_400_000;
  while ((await countRecorded(database, fromMs, endMs)) < events) await sleep(POLL_MS);
  const seconds = (performance.now() - startedMs) / 1_000;
  await metering.stop();
  await connection.close();
  return seconds;
};
