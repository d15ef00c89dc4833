import type { PoolClient } from 'pg';
import type { Charge } from '#domain/price';
import type { Standing, StandingCharge } from '#domain/repricing';
import type { StoredEvent } from './stored-events.ts';

/** How an attempt stands, with the numbers its next adjustment and charge get. */
export type NumberedStanding = Standing & { nextAdjustment: number; nextCharge: number };

type ChargeRow = {
  attemptId: string;
  revision: number;
  number: number;
  component: string;
  payee: Charge['payee'];
  quantity: string;
  listRate: string;
  rate: string;
  priceId: string | null;
  rateId: string | null;
  volumeFrom: string | null;
  reverses: number | null;
};
type AdjustmentRow = {
  attemptId: string;
  revision: number;
  number: number;
  pricing: string;
  cost: string;
  listCost: string;
};

const keyOf = (row: { attemptId: string; revision: number }): string => `${row.attemptId}/${row.revision}`;

const decodeCharge = (row: ChargeRow): StandingCharge => {
  const quantity = BigInt(row.quantity);
  const listRatePicoUsd = BigInt(row.listRate);
  const ratePicoUsd = BigInt(row.rate);
  return {
    number: row.number,
    component: row.component,
    payee: row.payee,
    quantity,
    listRatePicoUsd,
    listAmountPicoUsd: quantity * listRatePicoUsd,
    ratePicoUsd,
    amountPicoUsd: quantity * ratePicoUsd,
    priceId: row.priceId === null ? null : BigInt(row.priceId),
    rateId: row.rateId,
    volumeFrom: row.volumeFrom === null ? null : BigInt(row.volumeFrom),
  };
};

/** How these attempts stand in the ledger now, by attempt and revision. */
export const loadStandings = async (
  client: PoolClient,
  events: readonly StoredEvent[],
): Promise<(stored: StoredEvent) => NumberedStanding> => {
  const ids = [events.map(({ event }) => event.attemptId)];
  const charges = await client.query<ChargeRow>(
    `select attempt_id as "attemptId", revision, number, component, payee, quantity,
            list_rate_pico_usd as "listRate", rate_pico_usd as rate, price_id as "priceId", rate_id as "rateId",
            volume_from as "volumeFrom", reverses
     from usage_charge where attempt_id = any($1::text[]) order by number`,
    ids,
  );
  const adjustments = await client.query<AdjustmentRow>(
    `select attempt_id as "attemptId", revision, number, pricing, cost_pico_usd as cost,
            list_cost_pico_usd as "listCost"
     from usage_adjustment where attempt_id = any($1::text[]) order by number`,
    ids,
  );
  const chargesByKey = Map.groupBy(charges.rows, keyOf);
  const adjustmentsByKey = Map.groupBy(adjustments.rows, keyOf);
  return ({ event, pricing, costPicoUsd, listCostPicoUsd }) => {
    const rows = chargesByKey.get(keyOf(event)) ?? [];
    const made = adjustmentsByKey.get(keyOf(event)) ?? [];
    const reversed = new Set(rows.map((row) => row.reverses));
    return {
      pricing: made.at(-1)?.pricing ?? pricing,
      costPicoUsd: made.reduce((sum, row) => sum + BigInt(row.cost), costPicoUsd),
      listCostPicoUsd: made.reduce((sum, row) => sum + BigInt(row.listCost), listCostPicoUsd),
      charges: rows.filter((row) => row.reverses === null && !reversed.has(row.number)).map(decodeCharge),
      nextAdjustment: (made.at(-1)?.number ?? 0) + 1,
      nextCharge: (rows.at(-1)?.number ?? 0) + 1,
    };
  };
};
