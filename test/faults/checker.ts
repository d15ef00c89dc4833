/**
 * The independent checker: joins what the clients saw, what the simulated providers wrote down and what
 * stands in Postgres, and counts what does not agree. It shares no code with what it checks; what the
 * counts mean is in docs/reliability.md.
 */
import type { Pool } from 'pg';
import { TOKEN_CLASSES } from '#contracts/usage';
import type { CallRecord } from '#test/simulators/call-log';
import type { RequestRecord, TaggedTenant } from './history.ts';

export type Counts = {
  /** Requests whose client has no end, jobs without one, and calls that the ledger does not know. */
  lost: number;
  /** Attempts that stand in the ledger, or were called, more than once. */
  duplicates: number;
  /** Tokens by which ledger and providers differ. */
  mismatch: number;
  /** Requests with more than one ending. */
  endings: number;
  /** Foreign canaries, credentials, or bytes nobody asked for. */
  foreign: number;
  /** Calls of which the ledger says that nobody told what they cost: lost, left, cut, or without usage. */
  unknown: number;
};

type Row = {
  attempt_id: string;
  revision: number;
  request_id: string;
  outcome: string;
  usage_source: string;
} & Record<string, string | number | null>;

const COLUMNS = TOKEN_CLASSES.map((component) => `${component}_tokens as ${component}`).join(', ');

const readRows = async (ledger: Pool, tenants: readonly TaggedTenant[]): Promise<Row[]> => {
  const { rows } = await ledger.query<Row>(
    `select attempt_id, revision, request_id, outcome, usage_source, ${COLUMNS}
     from usage_event where tenant_id = any($1)`,
    [tenants.map(({ tenantId }) => tenantId)],
  );
  return rows;
};

/** The ledger's last word on each attempt: the worker's report, where there is one. */
const lastWords = (rows: readonly Row[]): Map<string, Row> => {
  const words = new Map<string, Row>();
  for (const row of rows) {
    const known = words.get(row.attempt_id);
    if (known === undefined || known.revision < row.revision) words.set(row.attempt_id, row);
  }
  return words;
};

const countRepeated = (keys: readonly string[]): number => keys.length - new Set(keys).size;

const difference = (call: CallRecord, row: Row): number => {
  let sum = 0;
  for (const component of TOKEN_CLASSES) {
    const charged = call.tokens[component] ?? 0;
    sum += Math.abs(charged - Number(row[component] ?? 0));
  }
  return sum;
};

export type Evidence = {
  requests: readonly RequestRecord[];
  tenants: readonly TaggedTenant[];
  /** Of these tenants' credentials. */
  calls: readonly CallRecord[];
  /** Work that nobody holds a connection for is repeated where its first outcome was lost. */
  mayRepeat?: boolean;
};

/** Whether an ending leaves the client with nothing: a broken connection counts only where nobody was killed. */
const isLost = ({ ending, viaVictim }: RequestRecord): boolean =>
  ending === 'hung' || (ending === 'broken' && !viaVictim);

const ownerOf = (tenants: readonly TaggedTenant[], credential: string | null): TaggedTenant | undefined =>
  tenants.find(({ providerSecrets }) => credential !== null && providerSecrets.includes(credential));

/** Counts as things stand now; `pending` is what may still come right by waiting. */
export const check = async (
  ledger: Pool,
  { requests, tenants, calls, mayRepeat = false }: Evidence,
): Promise<{ counts: Counts; pending: number }> => {
  const rows = await readRows(ledger, tenants);
  const words = lastWords(rows);
  const counts: Counts = { lost: 0, duplicates: 0, mismatch: 0, endings: 0, foreign: 0, unknown: 0 };
  let unrecorded = 0;
  for (const call of calls) {
    const row = words.get(call.attemptId ?? '');
    if (row === undefined) unrecorded += 1;
    else if (row.usage_source === 'provider') counts.mismatch += difference(call, row);
    else if (row.outcome === 'outcome_unknown' || Object.keys(call.tokens).length > 0) counts.unknown += 1;
    const owner = ownerOf(tenants, call.credential);
    if (
      owner !== undefined &&
      call.body?.includes('canary-') &&
      !call.body.includes(`canary-${owner.tag}-`)
    ) {
      counts.foreign += 1;
    }
  }
  const called = new Set(calls.map(({ attemptId }) => attemptId));
  const phantoms = [...words.values()].filter(
    ({ attempt_id, outcome }) => outcome === 'succeeded' && !called.has(attempt_id),
  ).length;
  const succeeded = [...words.values()].filter(({ outcome }) => outcome === 'succeeded');
  counts.duplicates =
    countRepeated(rows.map(({ attempt_id, revision }) => `${attempt_id}.${revision}`)) +
    countRepeated(calls.map(({ attemptId }) => attemptId ?? '')) +
    (mayRepeat ? 0 : countRepeated(succeeded.map(({ request_id }) => request_id))) +
    phantoms;
  for (const request of requests) {
    if (isLost(request)) counts.lost += 1;
    if (request.endings > 1) counts.endings += 1;
    counts.foreign += request.foreign + (request.ending === 'wrong' ? 1 : 0);
  }
  counts.lost += unrecorded;
  return { counts, pending: unrecorded + calls.filter(({ outcome }) => outcome === 'open').length };
};

export const addCounts = (one: Counts, other: Counts): Counts => ({
  lost: one.lost + other.lost,
  duplicates: one.duplicates + other.duplicates,
  mismatch: one.mismatch + other.mismatch,
  endings: one.endings + other.endings,
  foreign: one.foreign + other.foreign,
  unknown: one.unknown + other.unknown,
});

export const NO_COUNTS: Counts = { lost: 0, duplicates: 0, mismatch: 0, endings: 0, foreign: 0, unknown: 0 };
