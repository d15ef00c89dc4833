import type { PoolClient } from 'pg';
import type { CountedPricing } from '#domain/price-event';
import { volumePeriodStartMs } from '#domain/negotiated-rate';
import type { TakeVolume } from '#domain/price';

/** The volumes of a transaction, counted on in memory until it saves them. */
export type LockedVolumes = { take: TakeVolume; save: () => Promise<void> };

type Volume = { rateId: string; periodStartMs: number; quantity: bigint; taken: boolean };

const keyOf = (rateId: string, periodStartMs: number): string => `${rateId}/${periodStartMs}`;

/**
 * Locks the counters of all rules that may price these events, in one order everywhere, until the
 * transaction ends: a volume is used up in the order of the recording, without gaps and never twice.
 */
export const lockVolumes = async (
  client: PoolClient,
  events: readonly { event: { startedAtMs: number }; counted: Pick<CountedPricing, 'rules'> | null }[],
): Promise<LockedVolumes> => {
  const volumes = new Map<string, Volume>();
  for (const { event, counted } of events) {
    for (const rule of counted?.rules ?? []) {
      const periodStartMs = volumePeriodStartMs(rule, event.startedAtMs);
      const key = keyOf(rule.id, periodStartMs);
      volumes.set(key, { rateId: rule.id, periodStartMs, quantity: 0n, taken: false });
    }
  }
  const take: TakeVolume = (rule, periodStartMs, quantity) => {
    const volume = volumes.get(keyOf(rule.id, periodStartMs));
    if (volume === undefined) throw new Error(`the volume of ${rule.id} is not locked`);
    const before = volume.quantity;
    volume.quantity += quantity;
    volume.taken = true;
    return before;
  };
  if (volumes.size === 0) return { take, save: () => Promise.resolve() };

  const wanted = [...volumes.values()];
  const keys = [
    wanted.map(({ rateId }) => rateId),
    wanted.map(({ periodStartMs }) => new Date(periodStartMs).toISOString()),
  ];
  await client.query(
    `insert into negotiated_volume (rate_id, period_start, quantity)
     select rate_id, period_start, 0 from unnest($1::text[], $2::timestamptz[]) as wanted (rate_id, period_start)
     order by 1, 2 on conflict do nothing`,
    keys,
  );
  const locked = await client.query<{ rateId: string; periodStart: Date; quantity: string }>(
    `select rate_id as "rateId", period_start as "periodStart", quantity
     from negotiated_volume
     where (rate_id, period_start) in (select * from unnest($1::text[], $2::timestamptz[]))
     order by rate_id, period_start for update`,
    keys,
  );
  for (const row of locked.rows) {
    const volume = volumes.get(keyOf(row.rateId, row.periodStart.getTime()));
    if (volume !== undefined) volume.quantity = BigInt(row.quantity);
  }
  return {
    take,
    save: async () => {
      const changed = wanted.filter(({ taken }) => taken);
      if (changed.length === 0) return;
      await client.query(
        `update negotiated_volume volume set quantity = counted.quantity
         from unnest($1::text[], $2::timestamptz[], $3::bigint[]) as counted (rate_id, period_start, quantity)
         where volume.rate_id = counted.rate_id and volume.period_start = counted.period_start`,
        [
          changed.map(({ rateId }) => rateId),
          changed.map(({ periodStartMs }) => new Date(periodStartMs).toISOString()),
          changed.map(({ quantity }) => String(quantity)),
        ],
      );
    },
  };
};
