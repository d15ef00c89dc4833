/**
 * Random events through a real stream and real metering processes that are killed at random, and so are the
 * servers: afterwards the ledger must be the one that the same events make in order and in peace.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { jetstream } from '@nats-io/jetstream';
import type { NatsConnection } from '@nats-io/transport-node';
import type { AttemptEvent } from '#contracts/attempt-event';
import { attemptEventSubject } from '#contracts/subjects';
import { NegotiatedRates } from '#domain/negotiated-rate';
import { ENTRY_DIMENSIONS, ENTRY_MEASURES } from '#domain/usage-entry';
import type { Database } from '#postgres/database';
import { createLedger } from '#postgres/ledger';
import { loadPriceBook } from '#postgres/price-book';
import { BATCH_MAX, decodeReceived } from '#services/metering/consume';
import { attemptEventOf, EVENT_TIME_MS, seededRandom } from './attempt-events.ts';
import type { StartedProcess } from './flo2-process.ts';

const DAY_MS = 86_400_000;
const MODELS = [
  'gpt-4o-mini',
  'gpt-4.1-mini',
  'claude-haiku-4-5',
  'claude-sonnet-4-5',
  'house-model',
] as const;
const PUBLISHED_AT_ONCE = 256;
const SETTLE_POLL_MS = 200;
/** Of a million rows a count takes a while: it is asked for a small part of the time. */
const COUNTING_SHARE = 0.1;

/** `count` attempts of any kind; of some the presumption of a lost outcome comes too. */
export const stormEvents = (count: number, seed: number): AttemptEvent[] => {
  const random = seededRandom(seed);
  const below = (limit: number): number => Math.floor(random() * limit);
  const events: AttemptEvent[] = [];
  while (events.length < count) {
    const model = MODELS[below(MODELS.length)] ?? 'gpt-4o-mini';
    const isSilent = random() < 0.1;
    const event = attemptEventOf({
      provider: model.startsWith('claude') ? 'anthropic' : 'openai',
      model,
      servedModel: null,
      startedAtMs: EVENT_TIME_MS - below(20 * DAY_MS),
      attemptNumber: random() < 0.9 ? 1 : 2,
      attribution: { team: `team ${below(6)}`, user: `user ${below(50)}`, tags: {} },
      outcome: isSilent ? 'timed_out' : 'succeeded',
      usage: isSilent
        ? { source: 'none', tokens: {} }
        : {
            source: random() < 0.2 ? 'estimated' : 'provider',
            tokens: { input: below(4_000), cache_read: below(500), output: below(900) },
          },
    });
    events.push(event);
    if (random() < 0.05 && events.length < count) {
      events.push({
        ...event,
        revision: 0,
        outcome: 'outcome_unknown',
        usage: { source: 'none', tokens: {} },
      });
    }
  }
  return events;
};

/** In any order, a tenth of them twice. */
export const stormDeliveries = (events: readonly AttemptEvent[], seed: number): AttemptEvent[] => {
  const random = seededRandom(seed + 1);
  const twice = events.filter(() => random() < 0.1);
  return [...events, ...twice]
    .map((event) => ({ event, at: random() }))
    .sort((a, b) => a.at - b.at)
    .map(({ event }) => event);
};

/** Until the stream has each; one whose acknowledgement was lost is there twice. */
export const publishAll = async (
  connection: NatsConnection,
  events: readonly AttemptEvent[],
): Promise<void> => {
  const client = jetstream(connection);
  const publish = async (event: AttemptEvent): Promise<void> => {
    for (;;) {
      try {
        await client.publish(attemptEventSubject(event.tenantId), JSON.stringify(event), { timeout: 2_000 });
        return;
      } catch (error) {
        if (connection.isClosed()) throw error;
        await sleep(100);
      }
    }
  };
  for (let start = 0; start < events.length; start += PUBLISHED_AT_ONCE) {
    await Promise.all(events.slice(start, start + PUBLISHED_AT_ONCE).map(publish));
  }
};

/** The same events, each once, in order, with nothing in the way. */
export const recordInPeace = async (database: Database, events: readonly AttemptEvent[]): Promise<void> => {
  const ledger = createLedger(database);
  const terms = { book: await loadPriceBook(database), rates: new NegotiatedRates([]) };
  for (let start = 0; start < events.length; start += BATCH_MAX) {
    const batch = events.slice(start, start + BATCH_MAX).flatMap((event, index) => {
      const decoded = decodeReceived(
        {
          bytes: Buffer.from(JSON.stringify(event)),
          stream: 'PEACE',
          streamSequence: BigInt(start + index + 1),
          deliveryCount: 1,
          ack: () => undefined,
          retryLater: () => undefined,
        },
        terms,
      );
      return 'priced' in decoded ? [decoded.priced] : [];
    });
    await ledger.recordEvents(batch);
  }
};

const SUMS = [...ENTRY_DIMENSIONS, ...ENTRY_MEASURES].join(', ');
/** What must be the same however the events came; not when they came, nor by which message. */
const HASHED = {
  usage_event: `attempt_id, revision, request_id, ${ENTRY_DIMENSIONS.join(', ')}, started_at, pricing, cost_pico_usd, list_cost_pico_usd, encode(payload_hash, 'hex')`,
  usage_charge: 'attempt_id, revision, number, component, quantity, rate_pico_usd, amount_pico_usd',
  usage_adjustment: `attempt_id, revision, number, kind, ${SUMS}`,
  usage_hour: `hour, ${SUMS}`,
  usage_day: `day, ${SUMS}`,
};

/** One figure for each table, whatever the order of its rows. */
export const hashLedger = async (database: Database): Promise<Record<string, string>> => {
  const hashes: Record<string, string> = {};
  for (const [table, columns] of Object.entries(HASHED)) {
    const hashed = await database.pool.query<{ hash: string }>(
      `select count(*) || ':' || coalesce(sum(('x' || substr(md5(row(${columns})::text), 1, 15))::bit(60)::bigint), 0) as hash
       from ${table}`,
    );
    hashes[table] = hashed.rows[0]?.hash ?? '';
  }
  return hashes;
};

/** Resolves once so many events are recorded; rejects when no more have come for that long. */
export const waitForEvents = async (database: Database, count: number, patienceMs: number): Promise<void> => {
  let last = { recorded: -1, atMs: performance.now() };
  for (;;) {
    const askedMs = performance.now();
    const counted = await database.pool
      .query<{ count: string }>('select count(*) from usage_event')
      .catch(() => ({ rows: [] }));
    const recorded = Number(counted.rows[0]?.count ?? last.recorded);
    if (recorded === count) return;
    if (recorded !== last.recorded) last = { recorded, atMs: performance.now() };
    if (performance.now() - last.atMs > patienceMs)
      throw new Error(`${recorded} of ${count} events are recorded`);
    await sleep(Math.max(SETTLE_POLL_MS, (performance.now() - askedMs) / COUNTING_SHARE));
  }
};

export type Fault = 'metering' | 'nats' | 'postgres';

/** Breaks one thing after another, at random, until the signal; what is broken is whole again afterwards. */
export const breakThings = async (options: {
  seed: number;
  signal: AbortSignal;
  everyMs: number;
  metering: StartedProcess[];
  startMetering: () => Promise<StartedProcess>;
  restartNats: () => Promise<void>;
  restartPostgres: () => Promise<void>;
}): Promise<Record<Fault, number>> => {
  const { signal, metering } = options;
  const random = seededRandom(options.seed + 2);
  const done: Record<Fault, number> = { metering: 0, nats: 0, postgres: 0 };
  while (!signal.aborted) {
    const drawn = random();
    if (drawn < 0.6) {
      done.metering += 1;
      const victim = Math.floor(random() * metering.length);
      metering[victim]?.kill('SIGKILL');
      await metering[victim]?.exited;
      metering[victim] = await options.startMetering();
    } else if (drawn < 0.8) {
      done.nats += 1;
      await options.restartNats();
    } else {
      done.postgres += 1;
      await options.restartPostgres();
    }
    await sleep(options.everyMs * (0.5 + random()), undefined, { signal }).catch(() => undefined);
  }
  return done;
};
