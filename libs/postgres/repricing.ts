import type { PoolClient } from 'pg';
import type { RepricingId } from '#contracts/ids';
import { encodeIdTime } from '#domain/id-time';
import type { TakeVolume } from '#domain/price';
import { priceEvent, type PriceTerms } from '#domain/price-event';
import { repricedAttempt, type RepricedAttempt } from '#domain/repricing';
import { ENTRY_DIMENSIONS, ENTRY_MEASURES } from '#domain/usage-entry';
import { adjustBudgets } from './budget-settlement.ts';
import { copyColumns, copyRows, type CopyColumn } from './copy-rows.ts';
import type { Database } from './database.ts';
import { CHARGE_COLUMNS, type ChargeRow } from './ledger-rows.ts';
import { lockVolumes } from './negotiated-volumes.ts';
import { takeRecordingInstant, type RecordingInstant } from './recording-instant.ts';
import { loadStandings, type NumberedStanding } from './standing-charges.ts';
import { loadStoredEvents, type StoredEvent } from './stored-events.ts';
import { inTransaction } from './transaction.ts';
import { addToRollups } from './usage-rollup.ts';

/** Any number, but the same in every flo2: one batch is re-priced at a time. */
const REPRICING_LOCK = 4_046_171_306;
const BATCH_MAX = 500;
/** As far as an attempt's start may be from the time in its id. */
const SKEW_MS = 86_400_000;

export type RepricingRequest = {
  id: RepricingId;
  /** Null for any. */
  tenantId: string | null;
  provider: string | null;
  model: string | null;
  onlyUnpriced: boolean;
  from: Date;
  /** Exclusive. */
  to: Date;
  reason: string;
};
export type Repricing = RepricingRequest & {
  /** The last attempt and revision looked at; null before the first. */
  position: string | null;
  examined: number;
  changed: number;
  createdAt: Date;
  finishedAt: Date | null;
};

const COLUMNS = `id, tenant_id as "tenantId", provider, model, only_unpriced as "onlyUnpriced",
  from_time as "from", to_time as "to", reason, position, examined, changed,
  created_at as "createdAt", finished_at as "finishedAt"`;

type Row = {
  stored: StoredEvent;
  standing: NumberedStanding;
  pricing: { kind: string; reason: string | null };
  repriced: RepricedAttempt;
  job: Repricing;
  recordedAt: RecordingInstant;
};

const ofRow = copyColumns<Row>();

const ADJUSTMENT_COLUMNS: readonly CopyColumn<Row>[] = [
  ofRow.text('attempt_id', ({ stored }) => stored.event.attemptId),
  ofRow.smallint('revision', ({ stored }) => stored.event.revision),
  ofRow.smallint('number', ({ standing }) => standing.nextAdjustment),
  ofRow.text('kind', () => 'repricing'),
  ofRow.text('reason', ({ job }) => job.reason),
  ofRow.text('repricing_id', ({ job }) => job.id),
  ofRow.text('request_id', ({ stored }) => stored.event.requestId),
  ofRow.text('end_user', ({ stored }) => stored.event.attribution.user),
  ofRow.jsonb('tags', ({ stored }) => stored.event.attribution.tags),
  ofRow.instant('started_at', ({ stored }) => stored.event.startedAtMs * 1_000),
  ofRow.text('pricing', ({ pricing }) => pricing.kind),
  ofRow.text('pricing_reason', ({ pricing }) => pricing.reason),
  ofRow.instant('recorded_at', ({ recordedAt }) => recordedAt.microseconds),
  ...ENTRY_DIMENSIONS.map((name, index) => ofRow.text(name, (row) => row.repriced.entry.dimensions[index])),
  ...ENTRY_MEASURES.map((name, index) => ofRow.bigint(name, (row) => row.repriced.entry.measures[index])),
];

/** A reversal of each charge that stood, then the new ones. */
const chargeRowsOf = ({ stored, standing, repriced, recordedAt }: Row): ChargeRow[] => {
  const { attemptId, revision, tenantId } = stored.event;
  const common = { attemptId, revision, tenantId, adjustment: standing.nextAdjustment, recordedAt };
  const reversals = repriced.reversed.map(({ number, ...charge }) => ({
    charge: {
      ...charge,
      quantity: -charge.quantity,
      listAmountPicoUsd: -charge.listAmountPicoUsd,
      amountPicoUsd: -charge.amountPicoUsd,
    },
    reverses: number,
  }));
  const charged = repriced.charges.map((charge) => ({ charge, reverses: null }));
  return [...reversals, ...charged].map((row, index) => ({
    ...common,
    ...row,
    number: standing.nextCharge + index,
  }));
};

/** A volume that an attempt has used up stays its own; only more of it is taken anew. */
const keepVolumes = (standing: NumberedStanding, take: TakeVolume): TakeVolume => {
  const held = new Map<string, { from: bigint; left: bigint }>();
  for (const { rateId, component, volumeFrom, quantity } of standing.charges) {
    if (rateId === null || volumeFrom === null) continue;
    const key = `${rateId}/${component}`;
    const known = held.get(key);
    if (known === undefined) held.set(key, { from: volumeFrom, left: quantity });
    else known.left += quantity;
  }
  return (rule, periodStartMs, quantity, component) => {
    const own = held.get(`${rule.id}/${component}`);
    if (own === undefined || own.left < quantity) return take(rule, periodStartMs, quantity, component);
    const { from } = own;
    own.from += quantity;
    own.left -= quantity;
    return from;
  };
};

const decodePosition = (position: string | null): { attemptId: string; revision: number } => {
  const [attemptId = '', revision = '0'] = (position ?? '/0').split('/');
  return { attemptId, revision: Number(revision) };
};

const repriceBatch = async (client: PoolClient, job: Repricing, terms: PriceTerms): Promise<void> => {
  const recordedAt = await takeRecordingInstant(client);
  const events = await loadStoredEvents(client, {
    ...job,
    idFrom: `att_${encodeIdTime(Math.max(0, job.from.getTime() - SKEW_MS))}`,
    idTo: `att_${encodeIdTime(job.to.getTime() + SKEW_MS)}`,
    after: decodePosition(job.position),
    limit: BATCH_MAX,
  });
  const standingOf = await loadStandings(client, events);
  const wanted = events
    .map((stored) => ({ stored, standing: standingOf(stored), terms: priceEvent(stored.event, terms) }))
    .filter(({ standing }) => standing.pricing !== 'superseded')
    .filter(({ standing }) => !job.onlyUnpriced || standing.pricing === 'unpriced');
  const volumes = await lockVolumes(
    client,
    wanted.map(({ stored, terms: { counted } }) => ({ event: stored.event, counted })),
  );
  const rows = wanted.flatMap(({ stored, standing, terms: { pricing: plain, counted } }): Row[] => {
    const pricing = counted?.price(keepVolumes(standing, volumes.take)) ?? plain;
    const repriced = repricedAttempt(stored.event, stored.priceTier, standing, pricing);
    return repriced === null ? [] : [{ stored, standing, pricing, repriced, job, recordedAt }];
  });
  await copyRows(client, 'usage_adjustment', ADJUSTMENT_COLUMNS, rows);
  await copyRows(client, 'usage_charge', CHARGE_COLUMNS, rows.flatMap(chargeRowsOf));
  await adjustBudgets(
    client,
    rows.map(({ stored, repriced }) => ({ event: stored.event, deltaPicoUsd: repriced.costDeltaPicoUsd })),
  );
  await volumes.save();
  await addToRollups(
    client,
    rows.map(({ repriced }) => repriced.entry),
  );
  const last = events.at(-1)?.event;
  await client.query(
    `update repricing set position = coalesce($2, position), examined = examined + $3, changed = changed + $4,
                          finished_at = case when $5 then now() end
     where id = $1`,
    [
      job.id,
      last === undefined ? null : `${last.attemptId}/${last.revision}`,
      events.length,
      rows.length,
      events.length < BATCH_MAX,
    ],
  );
};

export const createRepricings = (database: Database) => ({
  insert: async (job: RepricingRequest): Promise<Repricing> => {
    const inserted = await database.pool.query<Repricing>(
      `insert into repricing (id, tenant_id, provider, model, only_unpriced, from_time, to_time, reason)
       values ($1, $2, $3, $4, $5, $6, $7, $8) returning ${COLUMNS}`,
      [job.id, job.tenantId, job.provider, job.model, job.onlyUnpriced, job.from, job.to, job.reason],
    );
    const [row] = inserted.rows;
    if (row === undefined) throw new Error('the re-pricing was not stored');
    return row;
  },

  find: async (id: string): Promise<Repricing | null> => {
    const found = await database.pool.query<Repricing>(`select ${COLUMNS} from repricing where id = $1`, [
      id,
    ]);
    return found.rows[0] ?? null;
  },

  /**
   * Prices the next batch of attempts of the oldest unfinished re-pricing again. What a batch changes and how
   * far it came is committed together, so a re-pricing that was broken off goes on where it was. Resolves to
   * whether there may be more to do.
   */
  step: (terms: PriceTerms): Promise<boolean> =>
    inTransaction(database, async (client) => {
      const lock = await client.query<{ held: boolean }>('select pg_try_advisory_xact_lock($1) as held', [
        REPRICING_LOCK,
      ]);
      if (lock.rows[0]?.held !== true) return false;
      const found = await client.query<Repricing>(
        `select ${COLUMNS} from repricing where finished_at is null order by created_at, id limit 1`,
      );
      const [job] = found.rows;
      if (job === undefined) return false;
      await repriceBatch(client, job, terms);
      return true;
    }),
});
export type Repricings = ReturnType<typeof createRepricings>;
