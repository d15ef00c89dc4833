import type { PoolClient } from 'pg';
import type { AttemptEvent } from '#contracts/attempt-event';
import type { Ledger, PricedEvent, QuarantinedEvent, RecordedCounts } from '#domain/ports';
import type { Database } from './database.ts';
import { inTransaction } from './transaction.ts';

/**
 * PostgreSQL holds no NUL in text and neither NUL nor lone surrogates in jsonb. They are replaced, not
 * refused: a caller must not be able to keep a request out of the ledger by its labels.
 */
const storableText = (text: string): string => text.toWellFormed().replaceAll('\0', '\ufffd');
/** The escapes that `JSON.stringify` writes for the same; pairs of backslashes are skipped over. */
const UNSTORABLE_ESCAPES = /\\(?:\\|u0000|ud[89a-f][0-9a-f]{2})/g;
const storableJson = (value: unknown): string =>
  JSON.stringify(value).replace(UNSTORABLE_ESCAPES, (escape) => (escape === '\\\\' ? escape : '\\ufffd'));

type Cell = string | number | boolean | null;
type Column<Row> = { name: string; type: string; read: (row: Row) => Cell };

const textOrNull = (text: string | null | undefined): string | null =>
  text === null || text === undefined ? null : storableText(text);

const ofEvent = (name: string, type: string, read: (event: AttemptEvent) => Cell): Column<PricedEvent> => ({
  name,
  type,
  read: (row) => read(row.event),
});

const EVENT_COLUMNS: readonly Column<PricedEvent>[] = [
  ofEvent('attempt_id', 'text', (event) => event.attemptId),
  ofEvent('revision', 'smallint', (event) => event.revision),
  ofEvent('request_id', 'text', (event) => event.requestId),
  ofEvent('tenant_id', 'text', (event) => event.tenantId),
  ofEvent('api_key_id', 'text', (event) => event.apiKeyId),
  ofEvent('provider_key_id', 'text', (event) => event.providerKeyId),
  ofEvent('provider', 'text', (event) => event.provider),
  ofEvent('model', 'text', (event) => storableText(event.model)),
  ofEvent('served_model', 'text', (event) => textOrNull(event.servedModel)),
  ofEvent('requested_model', 'text', (event) => storableText(event.requestedModel)),
  ofEvent('route', 'text', (event) => textOrNull(event.route)),
  ofEvent('lane', 'text', (event) => event.lane),
  ofEvent('surface', 'text', (event) => event.surface),
  ofEvent('stream', 'boolean', (event) => event.stream),
  ofEvent('team', 'text', (event) => textOrNull(event.attribution.team)),
  ofEvent('feature', 'text', (event) => textOrNull(event.attribution.feature)),
  ofEvent('end_user', 'text', (event) => textOrNull(event.attribution.user)),
  ofEvent('tags', 'jsonb', (event) => storableJson(event.attribution.tags)),
  ofEvent('attempt_number', 'integer', (event) => event.attemptNumber),
  ofEvent('step', 'integer', (event) => event.step),
  ofEvent('outcome', 'text', (event) => event.outcome),
  ofEvent('error_code', 'text', (event) => textOrNull(event.errorCode)),
  ofEvent('upstream_status', 'integer', (event) => event.upstreamStatus),
  ofEvent('upstream_request_id', 'text', (event) => textOrNull(event.upstreamRequestId)),
  ofEvent('provider_response_id', 'text', (event) => textOrNull(event.providerResponseId)),
  ofEvent('finish_reason', 'text', (event) => textOrNull(event.finishReason)),
  ofEvent('service_tier', 'text', (event) => textOrNull(event.usage.serviceTier)),
  ofEvent('started_at', 'timestamptz', (event) => new Date(event.startedAtMs).toISOString()),
  ofEvent('queue_ms', 'integer', (event) => event.queueMs),
  ofEvent('first_byte_ms', 'integer', (event) => event.firstByteMs),
  ofEvent('first_token_ms', 'integer', (event) => event.firstTokenMs),
  ofEvent('duration_ms', 'integer', (event) => event.durationMs),
  ofEvent('usage_source', 'text', (event) => event.usage.source),
  ofEvent('input_tokens', 'bigint', (event) => event.usage.tokens.input ?? null),
  ofEvent('cache_read_tokens', 'bigint', (event) => event.usage.tokens.cache_read ?? null),
  ofEvent('cache_write_5m_tokens', 'bigint', (event) => event.usage.tokens.cache_write_5m ?? null),
  ofEvent('cache_write_1h_tokens', 'bigint', (event) => event.usage.tokens.cache_write_1h ?? null),
  ofEvent('cache_write_other_tokens', 'bigint', (event) => event.usage.tokens.cache_write_other ?? null),
  ofEvent('input_audio_tokens', 'bigint', (event) => event.usage.tokens.input_audio ?? null),
  ofEvent('input_image_tokens', 'bigint', (event) => event.usage.tokens.input_image ?? null),
  ofEvent('output_tokens', 'bigint', (event) => event.usage.tokens.output ?? null),
  ofEvent('output_audio_tokens', 'bigint', (event) => event.usage.tokens.output_audio ?? null),
  ofEvent('output_image_tokens', 'bigint', (event) => event.usage.tokens.output_image ?? null),
  ofEvent('reasoning_tokens', 'bigint', (event) => event.usage.reasoning ?? null),
  ofEvent('raw_usage', 'jsonb', (event) =>
    event.usage.raw === undefined ? null : storableJson(event.usage.raw),
  ),
  { name: 'pricing', type: 'text', read: ({ pricing }) => pricing.kind },
  { name: 'cost_pico_usd', type: 'bigint', read: ({ pricing }) => pricing.costPicoUsd?.toString() ?? null },
  { name: 'pricing_reason', type: 'text', read: ({ pricing }) => textOrNull(pricing.reason) },
  { name: 'payload_hash', type: 'text', read: (row) => row.payloadHash },
  { name: 'stream_sequence', type: 'bigint', read: (row) => String(row.streamSequence) },
];

type ChargeRow = {
  event: AttemptEvent;
  charge: PricedEvent['pricing']['charges'][number];
};

const CHARGE_COLUMNS: readonly Column<ChargeRow>[] = [
  { name: 'attempt_id', type: 'text', read: ({ event }) => event.attemptId },
  { name: 'revision', type: 'smallint', read: ({ event }) => event.revision },
  { name: 'component', type: 'text', read: ({ charge }) => charge.component },
  { name: 'quantity', type: 'bigint', read: ({ charge }) => String(charge.quantity) },
  { name: 'price_id', type: 'bigint', read: ({ charge }) => String(charge.priceId) },
  { name: 'rate_pico_usd', type: 'bigint', read: ({ charge }) => String(charge.ratePicoUsd) },
  { name: 'amount_pico_usd', type: 'bigint', read: ({ charge }) => String(charge.amountPicoUsd) },
];

const QUARANTINE_COLUMNS: readonly Column<QuarantinedEvent>[] = [
  { name: 'stream_sequence', type: 'bigint', read: (row) => String(row.streamSequence) },
  { name: 'payload_hash', type: 'text', read: (row) => row.payloadHash },
  { name: 'attempt_id', type: 'text', read: (row) => textOrNull(row.attemptId) },
  { name: 'reason', type: 'text', read: (row) => storableText(row.reason) },
  { name: 'payload', type: 'text', read: (row) => storableText(row.payload) },
];

/** One statement for any number of rows: each column travels as one array. */
const insertStatement = <Row>(name: string, table: string, columns: readonly Column<Row>[]) => {
  const names = columns.map((column) => column.name).join(', ');
  const arrays = columns.map((column, index) => `$${index + 1}::${column.type}[]`).join(', ');
  return { name, text: `insert into ${table} (${names}) select * from unnest(${arrays})`, columns };
};
const INSERT_EVENTS = insertStatement('insert_events', 'usage_event', EVENT_COLUMNS);
const INSERT_CHARGES = insertStatement('insert_charges', 'usage_charge', CHARGE_COLUMNS);
const INSERT_QUARANTINE = insertStatement('insert_quarantine', 'event_quarantine', QUARANTINE_COLUMNS);

const arraysOf = <Row>(columns: readonly Column<Row>[], rows: readonly Row[]): Cell[][] =>
  columns.map((column) => rows.map(column.read));

const keyOf = (attemptId: string, revision: number): string => `${attemptId}/${revision}`;
const keyOfEvent = ({ event }: PricedEvent): string => keyOf(event.attemptId, event.revision);

const insertEvents = async (client: PoolClient, rows: readonly PricedEvent[]): Promise<Set<string>> => {
  const inserted = await client.query<{ attempt_id: string; revision: number }>({
    name: INSERT_EVENTS.name,
    text: `${INSERT_EVENTS.text} on conflict (attempt_id, revision) do nothing returning attempt_id, revision`,
    values: arraysOf(EVENT_COLUMNS, rows),
  });
  return new Set(inserted.rows.map((row) => keyOf(row.attempt_id, row.revision)));
};

const loadHashes = async (client: PoolClient, rows: readonly PricedEvent[]): Promise<Map<string, string>> => {
  const stored = await client.query<{ attempt_id: string; revision: number; payload_hash: string }>(
    `select attempt_id, revision, payload_hash
     from usage_event join unnest($1::text[], $2::smallint[]) as known (attempt_id, revision)
       using (attempt_id, revision)`,
    [rows.map(({ event }) => event.attemptId), rows.map(({ event }) => event.revision)],
  );
  return new Map(stored.rows.map((row) => [keyOf(row.attempt_id, row.revision), row.payload_hash]));
};

const insertQuarantined = async (client: PoolClient, rows: readonly QuarantinedEvent[]): Promise<void> => {
  if (rows.length === 0) return;
  await client.query(`${INSERT_QUARANTINE.text} on conflict do nothing`, arraysOf(QUARANTINE_COLUMNS, rows));
};

const encodeQuarantined = (row: PricedEvent, reason: string): QuarantinedEvent => ({
  streamSequence: row.streamSequence,
  payloadHash: row.payloadHash,
  payload: row.payload,
  attemptId: row.event.attemptId,
  reason,
});

const recordTogether = (database: Database, events: readonly PricedEvent[]): Promise<RecordedCounts> =>
  inTransaction(database, async (client) => {
    const first = new Map<string, PricedEvent>();
    for (const row of events) {
      if (!first.has(keyOfEvent(row))) first.set(keyOfEvent(row), row);
    }
    // In one order everywhere: two transactions with the same events then wait instead of deadlocking.
    const rows = [...first.values()].sort((a, b) => (keyOfEvent(a) < keyOfEvent(b) ? -1 : 1));
    const inserted = await insertEvents(client, rows);

    const charges = rows
      .filter((row) => inserted.has(keyOfEvent(row)))
      .flatMap(({ event, pricing }) => pricing.charges.map((charge) => ({ event, charge })));
    if (charges.length > 0) {
      await client.query({
        name: INSERT_CHARGES.name,
        text: INSERT_CHARGES.text,
        values: arraysOf(CHARGE_COLUMNS, charges),
      });
    }

    const repeated = events.filter(
      (row) => !inserted.has(keyOfEvent(row)) || first.get(keyOfEvent(row)) !== row,
    );
    if (repeated.length === 0) return { recorded: inserted.size, repeated: 0, quarantined: 0 };
    const hashes = await loadHashes(client, repeated);
    const contradicting = repeated.filter((row) => hashes.get(keyOfEvent(row)) !== row.payloadHash);
    await insertQuarantined(
      client,
      contradicting.map((row) =>
        encodeQuarantined(row, 'another event with this attempt id and revision is recorded'),
      ),
    );
    return {
      recorded: inserted.size,
      repeated: repeated.length - contradicting.length,
      quarantined: contradicting.length,
    };
  });

/** Data that PostgreSQL refuses: bad values, broken constraints, limits of its own. See its appendix A. */
const isRefusedData = (error: unknown): error is Error & { code: string } =>
  error instanceof Error &&
  'code' in error &&
  typeof error.code === 'string' &&
  /^(?:22|23|54)/.test(error.code);

const record = async (database: Database, events: readonly PricedEvent[]): Promise<RecordedCounts> => {
  const [only] = events;
  if (only === undefined) return { recorded: 0, repeated: 0, quarantined: 0 };
  try {
    return await recordTogether(database, events);
  } catch (error) {
    if (!isRefusedData(error)) throw error;
    if (events.length === 1) {
      // The code alone: the driver's message may quote the data.
      const quarantined = encodeQuarantined(only, `the ledger refuses it (SQLSTATE ${error.code})`);
      await inTransaction(database, (client) => insertQuarantined(client, [quarantined]));
      return { recorded: 0, repeated: 0, quarantined: 1 };
    }
    // Halving finds the culprits in a few steps and leaves the others together.
    const middle = Math.ceil(events.length / 2);
    const head = await record(database, events.slice(0, middle));
    const tail = await record(database, events.slice(middle));
    return {
      recorded: head.recorded + tail.recorded,
      repeated: head.repeated + tail.repeated,
      quarantined: head.quarantined + tail.quarantined,
    };
  }
};

/** The ledger in PostgreSQL: each event, its charges and what contradicts it in one transaction. */
export const createLedger = (database: Database): Ledger => ({
  recordEvents: (events) => record(database, events),
  quarantine: (events) => inTransaction(database, (client) => insertQuarantined(client, events)),
});
