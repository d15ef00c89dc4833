import type { TenantId } from '#contracts/ids';
import type { Database } from './database.ts';

/** Usage that no price was found for, by what a price would have to be for. */
export type UnpricedUsage = {
  provider: string;
  model: string;
  tier: string;
  attempts: number;
  /** The first and last hour with such an attempt. */
  firstHour: Date;
  lastHour: Date;
  /** Of the newest such attempt. */
  reason: string | null;
};

const LISTED_MAX = 1_000;

/** What is unpriced now, most first; what was priced later by re-pricing is no longer in it. */
export const listUnpricedUsage = async (
  database: Database,
  tenantId: TenantId | null,
): Promise<UnpricedUsage[]> => {
  const found = await database.pool.query<Omit<UnpricedUsage, 'attempts'> & { attempts: string }>(
    `select summed.*, newest.reason
     from (
       select provider, model, price_tier as tier, sum(unpriced_attempts) as attempts,
              min(hour) filter (where unpriced_attempts > 0) as "firstHour",
              max(hour) filter (where unpriced_attempts > 0) as "lastHour"
       from usage_hour where $1::text is null or tenant_id = $1
       group by provider, model, price_tier having sum(unpriced_attempts) > 0
       order by attempts desc, provider, model, tier limit $2
     ) as summed
     left join lateral (
       select pricing_reason as reason from usage_event event
       where event.pricing = 'unpriced' and event.provider = summed.provider and event.model = summed.model
         and event.price_tier = summed.tier and ($1::text is null or tenant_id = $1)
       order by attempt_id desc limit 1
     ) as newest on true`,
    [tenantId, LISTED_MAX],
  );
  return found.rows.map((row) => ({ ...row, attempts: Number(row.attempts) }));
};
