import { jetstream } from '@nats-io/jetstream';
import type { NatsConnection } from '@nats-io/transport-node';
import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import type { DispatchHeader } from '#contracts/dispatch';
import { dispatchSubject, PAYLOAD_BUCKET, workResultSubject } from '#contracts/subjects';
import type { WorkResultHeader } from '#contracts/work-result';
import { connectNats } from '#nats/connection';
import { createDeadLetterStore, type StoredDeadLetter } from '#nats/dead-letter-store';
import { openDispatchSource } from '#nats/dispatch-queue';
import { encodeEnvelope } from '#nats/envelope';
import { createPayloadStore } from '#nats/payload-store';
import { provisionStreams } from '#nats/provision';
import { openWorkResultSource, type WorkResultSource } from '#nats/work-results';
import { seededMint } from '#test/support/attempt-events';
import { dispatchHeaderOf } from '#test/support/dispatch-headers';
import { startNats, type TestNats } from '#test/support/services';

let nats: TestNats;
let connection: NatsConnection;
let laterMs = 0;
let results: WorkResultSource;
const logger = { info: () => {}, warn: () => {}, error: () => {} };

beforeEach(async () => {
  nats = await startNats();
  connection = await connectNats({ url: nats.url, name: 'unreadable-test', logger });
  await provisionStreams(connection);
  laterMs = 0;
  results = await openWorkResultSource({
    connection,
    payloads: createPayloadStore(connection),
    clock: { nowMs: () => Date.now() + laterMs },
    onUnreadable: () => undefined,
  });
});
afterEach(async () => {
  await connection.close();
  await nats.stop();
});

const mint = seededMint(7, 1);
const tenantId = mint.mint('ten');
const resultOf = (changes: object = {}): WorkResultHeader => ({
  version: 1,
  workItemId: mint.mint('job'),
  tenantId,
  attempts: 1,
  provider: 'openai',
  model: 'gpt-4o-mini',
  upstreamRequestId: null,
  endedAtMs: 1,
  outcome: { kind: 'answered', status: 200, dataKeyVersion: 1 },
  ...changes,
});

const publishResults = (...headers: object[]) =>
  jetstream(connection).publish(
    workResultSubject(tenantId),
    encodeEnvelope({ results: headers.map((header) => ({ header, bytes: 0 })) }),
  );

const letters = async (): Promise<StoredDeadLetter[]> =>
  createDeadLetterStore(connection).list({ afterSequence: 0, limit: 10 });

const untilBuried = () =>
  vi.waitFor(
    async () => {
      const [letter] = await letters();
      if (letter === undefined) throw new Error('nothing is buried yet');
      return letter;
    },
    { timeout: 10_000, interval: 50 },
  );

/** Reads until there is one. */
const nextResult = async (): Promise<WorkResultHeader> => {
  for (;;) {
    const received = await results.fetch({ maxMessages: 10, expiresMs: 1_000 });
    for (const one of received) one.ack();
    const header = received[0]?.results[0]?.header;
    if (header !== undefined) return header;
  }
};

it('keeps a result that cannot be read among the dead letters, and reads those behind it', async () => {
  const { provider: _, ...torn } = resultOf();
  await publishResults(torn);
  const whole = resultOf();
  await publishResults(whole);
  expect(await nextResult()).toEqual(whole);
  const letter = await untilBuried();
  expect(letter.letter).toMatchObject({
    reason: 'unreadable',
    stream: 'RES',
    tenantId,
    explanation: 'It is not a result of work of this version of flo2; wrong are: results.0.header.provider.',
  });
  expect(letter.payload.length).toBeGreaterThan(0);
});

it('ends an item whose large answer is not kept any more, and waits for it as long as it may be', async () => {
  const payload = { name: 'gone', bytes: 3, sha256: 'a'.repeat(64) };
  const large = resultOf({ payload });
  await publishResults(large);
  expect(await results.fetch({ maxMessages: 10, expiresMs: 1_000 })).toEqual([]);
  laterMs = PAYLOAD_BUCKET.maxAgeMs + 1_000;
  const { workItemId } = large;
  expect(await nextResult()).toMatchObject({
    workItemId,
    outcome: { kind: 'failed', error: { code: 'internal' } },
  });
});

it('offers a dispatch of another version to other processes, and buries it where none can read it', async () => {
  const header: DispatchHeader = dispatchHeaderOf();
  const source = await openDispatchSource({
    connection,
    lane: 'batch',
    provider: 'openai',
    onUnreadable: () => undefined,
  });
  await jetstream(connection).publish(
    dispatchSubject({ ...header, provider: 'openai', model: 'gpt-4o-mini' }),
    encodeEnvelope({ ...header, version: 2 }),
  );
  const read = async (): Promise<void> => {
    for await (const message of source.fetch({ maxMessages: 1, expiresMs: 1_000 })) {
      expect(message).toBeUndefined();
    }
  };
  await read();
  expect(await letters()).toEqual([]);
  while ((await letters()).length === 0) await read();
  const [buried] = await letters();
  expect(buried?.letter).toMatchObject({
    deliveries: 5,
    explanation: expect.stringMatching(/another version of flo2/),
  });
});
