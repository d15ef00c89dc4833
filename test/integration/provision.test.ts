import { AckPolicy, DiscardPolicy, jetstreamManager, RetentionPolicy } from '@nats-io/jetstream';
import { nanos, type NatsConnection } from '@nats-io/transport-node';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { INTERACTIVE_STREAM, QUEUED_STREAMS, workerConsumer } from '#contracts/subjects';
import { connectNats } from '#nats/connection';
import { provisionStreams } from '#nats/provision';
import { startNats, type TestNats } from '#test/support/services';

let nats: TestNats;
let connection: NatsConnection;
const logger = { info: () => {}, warn: () => {}, error: () => {} };

beforeEach(async () => {
  nats = await startNats();
  connection = await connectNats({ url: nats.url, name: 'provision-test', logger });
});
afterEach(async () => {
  await connection.close();
  await nats.stop();
});

it('may be done twice, and by several at once', async () => {
  await Promise.all([provisionStreams(connection), provisionStreams(connection)]);
  await provisionStreams(connection);
  const manager = await jetstreamManager(connection);
  const names: string[] = [];
  for await (const { config } of manager.streams.list()) names.push(config.name);
  expect(names).toEqual(expect.arrayContaining(['EVT', 'REQ_A', 'REQ_B', 'REQ_I', 'RES']));
});

it('brings what an older flo2 made to the settings of this one', async () => {
  const manager = await jetstreamManager(connection);
  const { name, filter } = workerConsumer('batch', 'openai');
  await manager.streams.add({
    name: QUEUED_STREAMS.batch.name,
    subjects: [...QUEUED_STREAMS.batch.subjects],
    retention: RetentionPolicy.Workqueue,
    discard: DiscardPolicy.New,
    max_age: nanos(1_000),
  });
  await manager.consumers.add(QUEUED_STREAMS.batch.name, {
    durable_name: name,
    filter_subject: filter,
    ack_policy: AckPolicy.Explicit,
    ack_wait: nanos(1_000),
  });
  await provisionStreams(connection);
  const stream = await manager.streams.info(QUEUED_STREAMS.batch.name);
  expect(stream.config).toMatchObject({
    max_age: nanos(QUEUED_STREAMS.batch.maxAgeMs),
    discard: DiscardPolicy.Old,
  });
  const consumer = await manager.consumers.info(QUEUED_STREAMS.batch.name, name);
  expect(consumer.config.ack_wait).toBe(nanos(QUEUED_STREAMS.batch.ackWaitMs));
});

it('refuses, by the name of the setting, what the server does not change', async () => {
  const manager = await jetstreamManager(connection);
  await manager.streams.add({
    name: INTERACTIVE_STREAM.name,
    subjects: [...INTERACTIVE_STREAM.subjects],
    retention: RetentionPolicy.Limits,
  });
  await expect(provisionStreams(connection)).rejects.toThrow(
    /stream REQ_I .*retention is "limits" and must be "workqueue"/,
  );
});
