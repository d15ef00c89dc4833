import { jetstream, type JetStreamClient } from '@nats-io/jetstream';
import { connect, type NatsConnection } from '@nats-io/transport-node';
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import { NegotiatedRates } from '#domain/negotiated-rate';
import { attemptEventSubject, EVENT_STREAM, METERING_CONSUMER } from '#contracts/subjects';
import type { AttemptEventSource } from '#domain/ports';
import { openAttemptEventSource } from '#nats/attempt-event-source';
import { provisionStreams } from '#nats/provision';
import type { Database } from '#postgres/database';
import { queryUsage } from '#postgres/usage-query';
import { createMetering, type Metering } from '#services/metering/service';
import { attemptEventOf, EVENT_TIME_MS, seededMint } from '#test/support/attempt-events';
import { EVERYTHING, openTestLedger, type TestLedger } from '#test/support/ledger';
import { startNats } from '#test/support/services';

let stopNats: () => Promise<void>;
let opened: TestLedger;
let database: Database;
let connection: NatsConnection;
let client: JetStreamClient;
let source: AttemptEventSource;
let metering: Metering | undefined;

beforeAll(async () => {
  const nats = await startNats();
  stopNats = nats.stop;
  opened = await openTestLedger();
  database = opened.database;

  const { host, username, password } = new URL(nats.url);
  connection = await connect({ servers: host, user: username, pass: password });
  await provisionStreams(connection);
  client = jetstream(connection);
  source = await openAttemptEventSource(connection);
});

afterEach(async () => {
  await metering?.stop();
  metering = undefined;
});

afterAll(async () => {
  await connection.close();
  await opened.close();
  await stopNats();
});

const startMetering = async (changes: Partial<Parameters<typeof createMetering>[0]> = {}) => {
  const logger = { warn: () => undefined };
  metering = createMetering({
    source,
    ledger: opened.ledger,
    prices: { current: () => ({ book: opened.book, rates: new NegotiatedRates([]) }) },
    logger,
    ...changes,
  });
  await metering.start();
  return metering;
};

const SUBJECT = attemptEventSubject(seededMint(2, EVENT_TIME_MS).mint('ten'));
const publish = (payload: unknown) =>
  client.publish(SUBJECT, typeof payload === 'string' ? payload : JSON.stringify(payload));

const pending = async () => {
  const info = await (await client.consumers.get(EVENT_STREAM.name, METERING_CONSUMER)).info();
  return info.num_pending + info.num_ack_pending;
};
const drained = () =>
  vi.waitFor(async () => expect(await pending()).toBe(0), { timeout: 10_000, interval: 25 });

const costsOf = async (attemptIds: string[]) => {
  const result = await database.pool.query<{ cost_pico_usd: string | null; pricing: string }>(
    'select cost_pico_usd, pricing from usage_event where attempt_id = any($1)',
    [attemptIds],
  );
  return result.rows;
};

describe('metering', () => {
  it('records every published event once, priced, and acknowledges it', async () => {
    const events = Array.from({ length: 1_200 }, () => attemptEventOf());
    await Promise.all([...events, ...events.slice(0, 300)].map(publish));
    const service = await startMetering();
    await drained();
    const rows = await costsOf(events.map((event) => event.attemptId));
    expect(rows).toHaveLength(1_200);
    expect(new Set(rows.map((row) => row.cost_pico_usd))).toEqual(new Set(['210000000']));
    await vi.waitFor(() => expect(service.ready()).toBe(true), { timeout: 10_000, interval: 25 });
  });

  it('records events as they trickle in, each at its first delivery', async () => {
    const events = Array.from({ length: 2_000 }, () => attemptEventOf());
    const deliveryCounts = new Set<number>();
    const counted: AttemptEventSource = {
      release: () => source.release(),
      fetch: async (options) => {
        const received = await source.fetch(options);
        for (const { deliveryCount } of received) deliveryCounts.add(deliveryCount);
        return received;
      },
    };
    await startMetering({ source: counted });
    for (const event of events) await publish(event);
    await drained();
    expect(await costsOf(events.map((event) => event.attemptId))).toHaveLength(2_000);
    expect(deliveryCounts).toEqual(new Set([1]));
  });

  it('puts what is no event into quarantine, tolerates new fields, and goes on', async () => {
    const good = attemptEventOf();
    await publish('{"not":"an event"');
    await publish({ version: 2, attemptId: 'att_1' });
    await publish({ ...good, newField: { of: 'a newer flo2' } });
    await startMetering();
    await drained();
    expect(await costsOf([good.attemptId])).toHaveLength(1);
    const quarantined = await database.pool.query<{ reason: string; payload: string }>(
      'select reason, payload from event_quarantine order by stream_sequence',
    );
    expect(quarantined.rows.map((row) => row.reason.split(':')[0])).toEqual([
      'not JSON',
      'not an attempt event of version 1',
    ]);
    expect(quarantined.rows[0]?.payload).toBe('{"not":"an event"');
  });

  it('acknowledges nothing that is not committed, and catches up when the ledger is back', async () => {
    const event = attemptEventOf();
    const { ledger } = opened;
    let down = true;
    let refusals = 0;
    const service = await startMetering({
      ledger: {
        ...ledger,
        recordEvents: (events) => {
          if (!down) return ledger.recordEvents(events);
          refusals += 1;
          return Promise.reject(new Error('the database is away'));
        },
      },
    });
    await publish(event);
    await vi.waitFor(() => expect(refusals).toBeGreaterThan(2), { timeout: 10_000, interval: 25 });
    expect(service.ready()).toBe(false);
    expect(await pending()).toBe(1);
    down = false;
    await drained();
    expect(await costsOf([event.attemptId])).toHaveLength(1);
    await vi.waitFor(() => expect(service.ready()).toBe(true), { timeout: 10_000, interval: 25 });
  });

  it('hands back what it could not record when it stops, for the next to take', async () => {
    const event = attemptEventOf();
    let refusals = 0;
    const failing = await startMetering({
      ledger: {
        quarantine: () => Promise.resolve(),
        recordEvents: () => {
          refusals += 1;
          return Promise.reject(new Error('the database is away'));
        },
      },
    });
    await publish(event);
    await vi.waitFor(() => expect(refusals).toBeGreaterThan(0), { timeout: 10_000, interval: 25 });
    await failing.stop();
    expect(await costsOf([event.attemptId])).toHaveLength(0);
    await startMetering();
    await drained();
    expect(await costsOf([event.attemptId])).toHaveLength(1);
  });

  it('counts an event once when its acknowledgement was lost', async () => {
    const event = attemptEventOf();
    let lost = 0;
    const forgetful: AttemptEventSource = {
      release: () => source.release(),
      fetch: async (options) =>
        (await source.fetch(options)).map((received) => ({
          ...received,
          ack: () => {
            if (received.deliveryCount > 1) {
              received.ack();
              return;
            }
            lost += 1;
            received.retryLater();
          },
        })),
    };
    await publish(event);
    await startMetering({ source: forgetful });
    await vi.waitFor(() => expect(lost).toBe(1), { timeout: 10_000, interval: 25 });
    await drained();
    const charges = await database.pool.query('select 1 from usage_charge where attempt_id = $1', [
      event.attemptId,
    ]);
    expect(await costsOf([event.attemptId])).toHaveLength(1);
    expect(charges.rowCount).toBe(2);
  });

  it('keeps the first of two events that contradict each other and shows the other in quarantine', async () => {
    const event = attemptEventOf();
    await publish(event);
    await publish({ ...event, usage: { source: 'provider', tokens: { input: 1, output: 1 } } });
    await publish(event);
    await startMetering();
    await drained();
    expect(await costsOf([event.attemptId])).toEqual([{ cost_pico_usd: '210000000', pricing: 'priced' }]);
    const quarantined = await database.pool.query<{ payload: string }>(
      'select payload from event_quarantine where attempt_id = $1',
      [event.attemptId],
    );
    expect(quarantined.rows.map((row) => JSON.parse(row.payload).usage.tokens)).toEqual([
      { input: 1, output: 1 },
    ]);
  });

  it("takes a worker's report for an ingress's presumption, whichever comes first", async () => {
    const tenantId = seededMint(8, EVENT_TIME_MS).mint('ten');
    const truths = [attemptEventOf({ tenantId }), attemptEventOf({ tenantId })] as const;
    const presumed = truths.map((truth) => ({
      ...truth,
      revision: 0,
      outcome: 'outcome_unknown',
      usage: { source: 'none', tokens: {} },
    }));
    for (const event of [presumed[0], truths[0], truths[1], presumed[1]]) await publish(event);
    await startMetering();
    await drained();
    const { rows } = await queryUsage(database, { ...EVERYTHING, tenantId, groupBy: ['status'] });
    expect(rows).toMatchObject([
      { dimensions: ['succeeded'], attempts: 2, unknownAttempts: 0, costPicoUsd: 420_000_000n },
    ]);
  });
});
