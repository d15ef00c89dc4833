/** Readings of price sources, and the proposals that came of them. */
import type { PoolClient } from 'pg';
import { z } from 'zod';
import { providerId } from '#contracts/vocabulary';
import type { PriceChange, PriceSource, SourcePrice } from '#domain/price-change';

export type SnapshotFacts = { id: string; source: string; version: string; hash: string };

const NEW_ID = `'snap_' || replace(gen_random_uuid()::text, '-', '')`;

const whole = z.codec(z.string().regex(/^\d+$/), z.bigint(), { decode: BigInt, encode: String });

/** A change as it is kept: all that is needed to make it, and what it was when it was read. */
export const storedChange = z.object({
  prices: z
    .array(
      z.object({
        provider: providerId,
        model: z.string(),
        component: z.string(),
        tier: z.string(),
        region: z.string(),
        ratePicoUsd: whole,
        inputTotalMin: whole,
        inputTotalMax: whole.nullable(),
        quantityFrom: whole,
        quantityTo: whole.nullable(),
        dayMinutes: z.object({ from: z.int(), to: z.int() }).nullable(),
        effectiveFromMs: z.number(),
        effectiveToMs: z.number().nullable(),
        reference: z.string().nullable(),
      }),
    )
    .min(1) satisfies z.ZodType<SourcePrice[]>,
  oldRatePicoUsd: whole.nullable(),
  newRatePicoUsd: whole.nullable(),
});
export type StoredChange = z.infer<typeof storedChange>;

/** Whether this very reading is the newest one of its source. */
export const wasRead = async (client: PoolClient, source: PriceSource): Promise<boolean> => {
  const newest = await client.query<{ hash: string }>(
    'select hash from price_snapshot where source = $1 order by read_at desc, id limit 1',
    [source.name],
  );
  return newest.rows[0]?.hash === source.hash;
};

export const noteApplied = async (
  client: PoolClient,
  source: PriceSource,
  nowMs: number,
): Promise<SnapshotFacts> => {
  const { name, version, hash } = source;
  const noted = await client.query<{ id: string }>(
    `insert into price_snapshot (id, source, version, hash, state, changes, read_at, decided_at, decided_by)
     values (${NEW_ID}, $1, $2, $3, 'applied', '[]', $4, $4, 'bound') returning id`,
    [name, version, hash, new Date(nowMs).toISOString()],
  );
  return { id: noted.rows[0]?.id ?? '', source: name, version, hash };
};

/** Keeps the changes for a person to decide on; an older proposal of the source is superseded. */
export const insertProposal = async (
  client: PoolClient,
  source: PriceSource,
  changes: readonly { change: PriceChange; prices: readonly SourcePrice[] }[],
  nowMs: number,
): Promise<void> => {
  await client.query(
    `update price_snapshot set state = 'superseded' where source = $1 and state = 'proposed'`,
    [source.name],
  );
  const stored = changes.map(({ change, prices }) =>
    storedChange.encode({
      prices: [...prices],
      oldRatePicoUsd: change.oldRatePicoUsd,
      newRatePicoUsd: change.newRatePicoUsd,
    }),
  );
  await client.query(
    `insert into price_snapshot (id, source, version, hash, state, changes, read_at)
     values (${NEW_ID}, $1, $2, $3, 'proposed', $4, $5)`,
    [source.name, source.version, source.hash, JSON.stringify(stored), new Date(nowMs).toISOString()],
  );
};
