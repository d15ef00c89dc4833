import type { Database } from './database.ts';
import { inTenant } from './tenant-scope.ts';
import {
  expressionOf,
  filtersOf,
  idsAround,
  Parameters,
  periodOf,
  type UsageGrouping,
  type UsageScope,
} from './usage-sql.ts';

export type SavingsSelection = UsageScope & UsageGrouping & { offset: number; limit: number };

/** What attempts of one price tier cost, beside what they would have at the standard one. */
export type SavingsRow = {
  periodStart: Date | null;
  /** In the order of `groupBy`. */
  dimensions: (string | null)[];
  tier: string;
  attempts: number;
  /** Of them, those whose cost is not known, or with a part that has no standard rate: not in the sums. */
  uncomparedAttempts: number;
  costPicoUsd: bigint;
  listCostPicoUsd: bigint;
  /** The same quantities at the standard tier's list rates of the same moment. */
  standardCostPicoUsd: bigint;
};

type Row = Record<string, string | null> & {
  period: Date | null;
  tier: string;
  attempts: string;
  uncompared: string;
  cost: string;
  listCost: string;
  standardCost: string;
};

/** The rate of a charge's price in the standard tier, under the price's own other conditions. */
const STANDARD = `lateral (
  select standard.rate_pico_usd as rate
  from price used join price standard
    on standard.provider = used.provider and standard.model = used.model
    and standard.component = used.component and standard.tier = 'standard'
    and standard.region = used.region and standard.input_total_min = used.input_total_min
    and standard.quantity_from = used.quantity_from
    and standard.day_minute_from is not distinct from used.day_minute_from
  where used.id = charge.price_id and standard.effective_from <= started_at
    and (standard.effective_to is null or standard.effective_to > started_at)
  order by standard.effective_from desc limit 1) standard on true`;

/** How an attempt is priced since the last re-pricing that was recorded by then. */
const pricingAt = (asOf: string): string => `coalesce((
  select adjustment.pricing from usage_adjustment adjustment
  where adjustment.attempt_id = event.attempt_id and adjustment.revision = event.revision
    and adjustment.kind = 'repricing' and adjustment.recorded_at <= ${asOf}
  order by adjustment.number desc limit 1), event.pricing)`;

/**
 * What other tiers than the standard one have saved (batch, flex) or cost on top (priority), from the charges
 * themselves: the standing ones of the moment asked about, since what a re-pricing took back counts against.
 * Rows come in the order of the period, the dimensions and the tier.
 */
export const queryTierSavings = async (
  database: Database,
  selection: SavingsSelection,
): Promise<{ rows: SavingsRow[]; hasMore: boolean }> => {
  const parameters = new Parameters();
  const asOf = `${parameters.add(selection.asOf)}::timestamptz`;
  const dimensions = selection.groupBy.map(
    (dimension, index) => `${expressionOf(dimension, parameters)} as dimension_${index}`,
  );
  const names = ['period', ...selection.groupBy.map((_, index) => `dimension_${index}`), 'tier'].join(', ');
  const conditions = [
    `price_tier <> 'standard'`,
    `started_at >= ${parameters.addInstant(selection.fromMs)}`,
    `started_at < ${parameters.addInstant(selection.toMs)}`,
    idsAround(selection, parameters),
    `recorded_at <= ${asOf}`,
    ...filtersOf(selection, parameters),
  ];
  const statement = () =>
    database.pool.query<Row>(
      `with chosen as (
         select attempt_id, revision, started_at, price_tier as tier, ${pricingAt(asOf)} as pricing,
                ${[`${periodOf('started_at', selection, parameters)} as period`, ...dimensions].join(', ')}
         from usage_event event where ${conditions.join(' and ')}
       ), charged as (
         select ${names}, chosen.attempt_id, standard.rate,
                pricing <> 'priced' or (charge.attempt_id is not null and standard.rate is null) as is_open,
                charge.quantity, charge.amount_pico_usd, charge.list_amount_pico_usd
         from chosen
         left join usage_charge charge
           on pricing = 'priced' and charge.attempt_id = chosen.attempt_id and charge.revision = chosen.revision
           and charge.recorded_at <= ${asOf}
         left join ${STANDARD}
       )
       select ${names}, count(distinct attempt_id) as attempts,
              count(distinct attempt_id) filter (where is_open) as uncompared,
              coalesce(sum(amount_pico_usd) filter (where rate is not null), 0) as cost,
              coalesce(sum(list_amount_pico_usd) filter (where rate is not null), 0) as "listCost",
              coalesce(sum(quantity::numeric * rate) filter (where rate is not null), 0) as "standardCost"
       from charged group by ${names} order by ${names}
       limit ${parameters.add(selection.limit + 1)} offset ${parameters.add(selection.offset)}`,
      parameters.values,
    );
  const result = await inTenant(selection.tenantId, statement);
  return {
    rows: result.rows.slice(0, selection.limit).map((row) => ({
      periodStart: row.period,
      dimensions: selection.groupBy.map((_, index) => row[`dimension_${index}`] ?? null),
      tier: row.tier,
      attempts: Number(row.attempts),
      uncomparedAttempts: Number(row.uncompared),
      costPicoUsd: BigInt(row.cost),
      listCostPicoUsd: BigInt(row.listCost),
      standardCostPicoUsd: BigInt(row.standardCost),
    })),
    hasMore: result.rows.length > selection.limit,
  };
};
