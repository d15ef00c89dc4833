import { z } from 'zod';
import {
  negotiatedRateId,
  providerKeyId,
  tenantId,
  type NegotiatedRateId,
  type TenantId,
} from '#contracts/ids';
import { providerId } from '#contracts/vocabulary';
import { NegotiatedRates, type NegotiatedRate } from '#domain/negotiated-rate';
import type { Database } from './database.ts';

export type StoredRate = NegotiatedRate & { id: NegotiatedRateId; createdAt: Date };

/** SQLSTATE of an exclusion constraint that a row would break. */
const EXCLUSION_VIOLATION = '23P01';
const isOverlap = (error: unknown): boolean =>
  error instanceof Error && 'code' in error && error.code === EXCLUSION_VIOLATION;

const COLUMNS = `id, tenant_id as "tenantId", provider, model, component, provider_key_id as "providerKeyId",
  kind, value, volume_tiers as "volumeTiers", volume_period as "volumePeriod",
  effective_from as "effectiveFrom", effective_to as "effectiveTo", created_at as "createdAt"`;

const storedRow = z.object({
  id: negotiatedRateId,
  tenantId,
  provider: providerId,
  model: z.string(),
  component: z.string().nullable(),
  providerKeyId: providerKeyId.nullable(),
  kind: z.enum(['absolute', 'discount']),
  value: z.string(),
  volumeTiers: z.array(z.object({ from: z.string(), value: z.string() })).nullable(),
  volumePeriod: z.enum(['month', 'term']).nullable(),
  effectiveFrom: z.date(),
  effectiveTo: z.date().nullable(),
  createdAt: z.date(),
});

const decodeRow = (row: unknown): StoredRate => {
  const { value, volumeTiers, effectiveFrom, effectiveTo, ...rest } = storedRow.parse(row);
  return {
    ...rest,
    value: BigInt(value),
    volumeTiers: (volumeTiers ?? []).map((tier) => ({ from: BigInt(tier.from), value: BigInt(tier.value) })),
    effectiveFromMs: effectiveFrom.getTime(),
    effectiveToMs: effectiveTo?.getTime() ?? null,
  };
};

/** All rules that ever held: what was charged by one is explained by it. */
export const loadNegotiatedRates = async (database: Database): Promise<NegotiatedRates> => {
  const found = await database.pool.query(
    `select ${COLUMNS} from negotiated_rate where deleted_at is null order by id`,
  );
  return new NegotiatedRates(found.rows.map(decodeRow));
};

/** Changes with every change of the table. */
export const loadNegotiatedRatesVersion = async (database: Database): Promise<string> => {
  const found = await database.pool.query<{ version: string }>(
    `select concat_ws('/', count(*), max(created_at), count(deleted_at), count(effective_to),
                      sum(extract(epoch from effective_to))) as version
     from negotiated_rate`,
  );
  return found.rows[0]?.version ?? '';
};

export const createNegotiatedRateStore = ({ pool }: Database) => ({
  /** `overlap`: another rate has the same aim at the same time; the database sees to it. */
  insert: async (rate: NegotiatedRate): Promise<StoredRate | 'overlap'> => {
    const { volumeTiers, effectiveToMs } = rate;
    try {
      const inserted = await pool.query(
        `insert into negotiated_rate (id, tenant_id, provider, model, component, provider_key_id, kind, value,
                                      volume_tiers, volume_period, effective_from, effective_to)
         values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12) returning ${COLUMNS}`,
        [
          rate.id,
          rate.tenantId,
          rate.provider,
          rate.model,
          rate.component,
          rate.providerKeyId,
          rate.kind,
          String(rate.value),
          volumeTiers.length === 0
            ? null
            : JSON.stringify(volumeTiers.map(({ from, value }) => ({ from: `${from}`, value: `${value}` }))),
          rate.volumePeriod,
          new Date(rate.effectiveFromMs).toISOString(),
          effectiveToMs === null ? null : new Date(effectiveToMs).toISOString(),
        ],
      );
      return decodeRow(inserted.rows[0]);
    } catch (error) {
      if (isOverlap(error)) return 'overlap';
      throw error;
    }
  },

  count: async (tenant: TenantId): Promise<number> => {
    const counted = await pool.query<{ count: string }>(
      'select count(*) from negotiated_rate where tenant_id = $1 and deleted_at is null',
      [tenant],
    );
    return Number(counted.rows[0]?.count);
  },

  list: async (tenant: TenantId, page: { limit: number; afterId: string | null }): Promise<StoredRate[]> => {
    const found = await pool.query(
      `select ${COLUMNS} from negotiated_rate
       where tenant_id = $1 and deleted_at is null and ($2::text is null or id > $2) order by id limit $3`,
      [tenant, page.afterId, page.limit],
    );
    return found.rows.map(decodeRow);
  },

  find: async (tenant: TenantId, id: string): Promise<StoredRate | null> => {
    const found = await pool.query(
      `select ${COLUMNS} from negotiated_rate where tenant_id = $1 and id = $2 and deleted_at is null`,
      [tenant, id],
    );
    return found.rows.length === 0 ? null : decodeRow(found.rows[0]);
  },

  /** Null when there is no such rate. */
  setEnd: async (
    tenant: TenantId,
    id: string,
    effectiveTo: string | null,
  ): Promise<StoredRate | 'overlap' | null> => {
    try {
      const changed = await pool.query(
        `update negotiated_rate set effective_to = $3
         where tenant_id = $1 and id = $2 and deleted_at is null returning ${COLUMNS}`,
        [tenant, id, effectiveTo],
      );
      return changed.rows.length === 0 ? null : decodeRow(changed.rows[0]);
    } catch (error) {
      if (isOverlap(error)) return 'overlap';
      throw error;
    }
  },

  /** Ends it now, or takes it back where it has not begun. Resolves to whether there was one. */
  end: async (tenant: TenantId, id: string): Promise<boolean> => {
    const ended = await pool.query(
      `update negotiated_rate
       set deleted_at = case when effective_from > now() then now() end,
           effective_to = case when effective_from > now() then effective_to
                               else least(effective_to, greatest(now(), effective_from + interval '1 microsecond')) end
       where tenant_id = $1 and id = $2 and deleted_at is null`,
      [tenant, id],
    );
    return ended.rowCount === 1;
  },
});
export type NegotiatedRateStore = ReturnType<typeof createNegotiatedRateStore>;
