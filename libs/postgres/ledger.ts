import type { PoolClient } from 'pg';
import { idTimeMs } from '#domain/id-time';
import type { Ledger, PricedEvent, RecordedCounts } from '#domain/ports';
import { settleBudgets } from './budget-settlement.ts';
import { isUniqueViolation } from './constraint.ts';
import { NumberOutOfRange } from './copy-encoder.ts';
import { copyPieces } from './copy-rows.ts';
import type { Database } from './database.ts';
import { Drafts, type DraftedEvent } from './drafted-event.ts';
import { insertQuarantined, quarantinedOf, type RefusedEvent } from './event-quarantine.ts';
import { createLedgerMonths, type LedgerMonths } from './ledger-months.ts';
import { CHARGE_COLUMNS, EVENT_COLUMNS } from './ledger-rows.ts';
import { lockVolumes } from './negotiated-volumes.ts';
import { noteHandled } from './recorded-ranges.ts';
import { takeRecordingInstant, type RecordingInstant } from './recording-instant.ts';
import { RECORDING_LOCK } from './recording-lock.ts';
import { supersedePresumptions } from './superseded-presumptions.ts';
import { inTransaction } from './transaction.ts';
import { addToRollups } from './usage-rollup.ts';

/** An id and the start it stands for come from one clock, a moment apart. */
const CLOCK_SKEW_MAX_MS = 86_400_000;
/** Another instance may record the same events at the same time; it has then committed at the next try. */
const TRIES_MAX = 5;

const CONTRADICTS = 'another event with this attempt id and revision is recorded';

const keyOf = (attemptId: string, revision: number): string => `${attemptId}/${revision}`;
const keyOfEvent = ({ event }: DraftedEvent): string => keyOf(event.attemptId, event.revision);

const beginRecording = async (
  client: PoolClient,
  rows: readonly DraftedEvent[],
): Promise<RecordingInstant> => {
  const presumes = rows.some(({ event }) => event.revision === 0);
  const lock = presumes ? 'pg_advisory_xact_lock' : 'pg_advisory_xact_lock_shared';
  // What is known is looked up by an index, always: in a young month the planner takes reading all of it for cheaper
  // than thousands of look-ups, which it is only while the month is empty.
  await client.query(`select ${lock}($1), set_config('enable_seqscan', 'off', true)`, [RECORDING_LOCK]);
  return takeRecordingInstant(client);
};

/** The hashes of what is recorded of these attempts, by attempt and revision. */
const loadKnown = async (client: PoolClient, rows: readonly DraftedEvent[]): Promise<Map<string, string>> => {
  const known = await client.query<{ attempt_id: string; revision: number; hash: string }>({
    name: 'load_known',
    text: `select attempt_id, revision, encode(payload_hash, 'hex') as hash
      from usage_event where attempt_id = any($1::text[])`,
    // As one text: an id has nothing that an array's text would have to escape.
    values: [`{${rows.map(({ event }) => event.attemptId).join(',')}}`],
  });
  return new Map(known.rows.map((row) => [keyOf(row.attempt_id, row.revision), row.hash]));
};

/** The attempts of which both revisions are recorded, one of them only now. */
const newlySuperseded = (rows: readonly DraftedEvent[], known: ReadonlyMap<string, string>): string[] => {
  if (known.size === 0 && rows.every(({ event }) => event.revision === 1)) return [];
  const recorded = new Set([...known.keys(), ...rows.map(keyOfEvent)]);
  const superseded = rows
    .map(({ event }) => event.attemptId)
    .filter((id) => recorded.has(keyOf(id, 0)) && recorded.has(keyOf(id, 1)));
  return [...new Set(superseded)];
};

/** A batch's drafts, and what of it is to be recorded together. */
type Batch = { drafts: Drafts; events: readonly DraftedEvent[] };

const appendRows = async (
  client: PoolClient,
  batches: readonly Batch[],
  { microseconds }: RecordingInstant,
): Promise<void> => {
  const all = batches.filter(({ events }) => events.length > 0);
  if (all.length === 0) return;
  await copyPieces(client, 'usage_event', EVENT_COLUMNS, (send) => {
    for (const { drafts, events } of all)
      for (const piece of drafts.eventRows(events, microseconds)) send(piece);
  });
  await copyPieces(client, 'usage_charge', CHARGE_COLUMNS, (send) => {
    for (const { drafts, events } of all)
      for (const piece of drafts.chargeRows(events, microseconds)) send(piece);
  });
};

const recordTogether = (database: Database, { drafts, events }: Batch): Promise<RecordedCounts> =>
  inTransaction(database, async (client) => {
    const recordedAt = await beginRecording(client, events);
    // Before it is looked what is known: who has recorded one of these with a volume has let go of it then.
    const volumes = await lockVolumes(
      client,
      events.map(({ event, whole }) => ({ event, counted: whole?.counted ?? null })),
    );
    const known = await loadKnown(client, events);

    const hashes = new Map(known);
    const early: DraftedEvent[] = [];
    // Priced by what was used before, which is known only now.
    const counted = { drafts: new Drafts(), events: [] as DraftedEvent[] };
    const contradicting: DraftedEvent[] = [];
    for (const row of events) {
      const key = keyOfEvent(row);
      const hash = hashes.get(key);
      if (hash === undefined) {
        hashes.set(key, row.payloadHash);
        const pricing = row.whole?.counted?.price(volumes.take);
        if (row.whole === null || pricing === undefined) early.push(row);
        else counted.events.push(counted.drafts.draft({ ...row.whole, pricing }));
      } else if (hash !== row.payloadHash) contradicting.push(row);
    }
    const rows = [...early, ...counted.events];

    await appendRows(client, [{ drafts, events: early }, counted], recordedAt);
    const entries = rows.map(({ entry }) => entry);
    entries.push(...(await supersedePresumptions(client, newlySuperseded(rows, known), recordedAt.text)));
    await insertQuarantined(
      client,
      contradicting.map((row) => quarantinedOf(row, CONTRADICTS)),
    );
    await noteHandled(client, events, recordedAt.text);
    await settleBudgets(client, rows, (attemptId, revision) => known.has(keyOf(attemptId, revision)));
    await volumes.save();
    await addToRollups(client, entries);
    return {
      recorded: rows.length,
      repeated: events.length - rows.length - contradicting.length,
      quarantined: contradicting.length,
    };
  });

const recordDespiteOthers = async (database: Database, batch: Batch): Promise<RecordedCounts> => {
  for (let tries = 1; ; tries += 1) {
    try {
      return await recordTogether(database, batch);
    } catch (error) {
      if (!isUniqueViolation(error) || tries === TRIES_MAX) throw error;
    }
  }
};

/** Data that PostgreSQL refuses: bad values, broken constraints, limits of its own. See its appendix A. */
const isRefusedData = (error: unknown): error is Error & { code: string } =>
  error instanceof Error &&
  'code' in error &&
  typeof error.code === 'string' &&
  /^(?:22|23|54)/.test(error.code);

/** The code alone: the driver's message may quote the data. */
const refusalOf = ({ code }: { code: string }): string => `the ledger refuses it (SQLSTATE ${code})`;

const NOTHING: RecordedCounts = { recorded: 0, repeated: 0, quarantined: 0 };

const add = (a: RecordedCounts, b: RecordedCounts): RecordedCounts => ({
  recorded: a.recorded + b.recorded,
  repeated: a.repeated + b.repeated,
  quarantined: a.quarantined + b.quarantined,
});

type Refused = { row: RefusedEvent; reason: string };

const quarantine = (database: Database, events: readonly Refused[]): Promise<RecordedCounts> =>
  inTransaction(database, async (client) => {
    const recordedAt = await beginRecording(client, []);
    await insertQuarantined(
      client,
      events.map(({ row, reason }) => quarantinedOf(row, reason)),
    );
    await noteHandled(
      client,
      events.map(({ row }) => row),
      recordedAt.text,
    );
    return { ...NOTHING, quarantined: events.length };
  });

/** Why the event's times keep it out of the ledger; null when they do not. */
const timeFault = ({ event }: DraftedEvent, nowMs: number): string | null => {
  const mintedMs = idTimeMs(event.attemptId);
  if (Math.abs(event.startedAtMs - mintedMs) > CLOCK_SKEW_MAX_MS) {
    return 'its start is more than a day from the time in its id';
  }
  return mintedMs > nowMs + CLOCK_SKEW_MAX_MS ? 'its id is of a time more than a day ahead' : null;
};

const recordTimely = async (
  database: Database,
  months: LedgerMonths,
  { drafts, events }: Batch,
): Promise<RecordedCounts> => {
  const [only] = events;
  if (only === undefined) return NOTHING;
  try {
    return await recordDespiteOthers(database, { drafts, events });
  } catch (error) {
    if (!isRefusedData(error)) throw error;
    // A month may have been dropped since it was known.
    months.forget();
    if (events.length === 1) {
      return quarantine(database, [{ row: only, reason: refusalOf(error) }]);
    }
    // Halving finds the culprits in a few steps and leaves the others together.
    const middle = Math.ceil(events.length / 2);
    const head = await recordTimely(database, months, { drafts, events: events.slice(0, middle) });
    return add(head, await recordTimely(database, months, { drafts, events: events.slice(middle) }));
  }
};

const record = async (
  database: Database,
  months: LedgerMonths,
  priced: Iterable<PricedEvent>,
): Promise<RecordedCounts> => {
  const nowMs = Date.now();
  const drafts = new Drafts();
  const inTime: DraftedEvent[] = [];
  const faulty: Refused[] = [];
  for (const event of priced) {
    try {
      const row = drafts.draft(event);
      const reason = timeFault(row, nowMs);
      if (reason === null) inTime.push(row);
      else faulty.push({ row, reason });
    } catch (error) {
      if (!(error instanceof NumberOutOfRange)) throw error;
      faulty.push({ row: event, reason: refusalOf(error) });
    }
  }
  const dropped = await months.prepare(inTime.map(({ event }) => event.attemptId));
  const isDropped = ({ event }: DraftedEvent): boolean => dropped.has(event.attemptId);
  const events = dropped.size === 0 ? inTime : inTime.filter((row) => !isDropped(row));
  if (dropped.size > 0) {
    const reason = 'the events of its month were dropped';
    faulty.push(...inTime.filter(isDropped).map((row) => ({ row, reason })));
  }
  const counts = faulty.length === 0 ? NOTHING : await quarantine(database, faulty);
  return add(counts, await recordTimely(database, months, { drafts, events }));
};

/** The ledger in PostgreSQL: events, their charges, their sums and what contradicts them in one transaction. */
export const createLedger = (database: Database): Ledger => {
  const months = createLedgerMonths(database);
  return {
    recordEvents: (events) => record(database, months, events),
    quarantine: (events) =>
      inTransaction(database, async (client) => {
        const recordedAt = await beginRecording(client, []);
        await insertQuarantined(client, events);
        await noteHandled(client, events, recordedAt.text);
      }),
  };
};
