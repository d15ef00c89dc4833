/**
 * The ledger row by row, for files. Read in pieces by the key and as of one moment, so no transaction is held
 * open while a slow reader takes its time, and what is recorded meanwhile changes nothing.
 */
import type { QueryResult, QueryResultRow } from 'pg';
import { TOKEN_CLASSES, type TokenClass } from '#contracts/usage';
import type { Database } from './database.ts';
import { inTenant } from './tenant-scope.ts';
import { inTransaction } from './transaction.ts';
import { filtersOf, idsAround, Parameters, type UsageScope } from './usage-sql.ts';

/** One attempt as its newest word has it. */
export type ExportedAttempt = {
  attemptId: string;
  requestId: string;
  tenantId: string;
  apiKeyId: string;
  providerKeyId: string;
  provider: string;
  model: string;
  servedModel: string | null;
  requestedModel: string;
  route: string | null;
  lane: string;
  surface: string;
  team: string | null;
  feature: string | null;
  user: string | null;
  tags: Record<string, string>;
  attemptNumber: number;
  outcome: string;
  errorCode: string | null;
  startedAt: Date;
  queueMs: number;
  firstTokenMs: number | null;
  durationMs: number;
  usageSource: string;
  priceTier: string;
  tokens: Partial<Record<TokenClass, number>>;
  reasoningTokens: number | null;
  pricing: string;
  costPicoUsd: bigint | null;
  listCostPicoUsd: bigint | null;
};

const PIECE_ROWS = 1_000;

type AttemptRow = Omit<ExportedAttempt, 'tokens' | 'reasoningTokens' | 'costPicoUsd' | 'listCostPicoUsd'> &
  Record<TokenClass, string | null> & {
    reasoning: string | null;
    cost: string | null;
    listCost: string | null;
  };

const decodeAttempt = ({ reasoning, cost, listCost, ...row }: AttemptRow): ExportedAttempt => {
  const tokens: ExportedAttempt['tokens'] = {};
  const facts: Record<string, unknown> = row;
  for (const token of TOKEN_CLASSES) {
    const count = row[token];
    if (count !== null) tokens[token] = Number(count);
    delete facts[token];
  }
  return {
    ...(facts as unknown as Omit<ExportedAttempt, 'tokens' | 'reasoningTokens'>),
    tokens,
    reasoningTokens: reasoning === null ? null : Number(reasoning),
    costPicoUsd: cost === null ? null : BigInt(cost),
    listCostPicoUsd: listCost === null ? null : BigInt(listCost),
  };
};

/** What re-pricings recorded by then have changed of an attempt, and how it stands since the last of them. */
const repriced = (asOf: string): string => `lateral (
  select sum(cost_pico_usd) as cost, sum(list_cost_pico_usd) as list_cost,
         (array_agg(pricing order by number desc))[1] as pricing
  from usage_adjustment
  where usage_adjustment.attempt_id = event.attempt_id and usage_adjustment.revision = event.revision
    and usage_adjustment.kind = 'repricing' and usage_adjustment.recorded_at <= ${asOf}) repriced`;

/** Not a presumption that its worker's word replaced. */
const effective = (asOf: string): string => `(event.revision = 1 or not exists (
  select from usage_event later
  where later.attempt_id = event.attempt_id and later.revision = 1 and later.recorded_at <= ${asOf}))`;

const scopeOf = (scope: UsageScope, asOf: string, parameters: Parameters): string[] => [
  `started_at >= ${parameters.addInstant(scope.fromMs)}`,
  `started_at < ${parameters.addInstant(scope.toMs)}`,
  // Nearly all was recorded by then: the sum keeps an index on it out of the plan, which would be read whole.
  `event.recorded_at + interval '0' <= ${asOf}`,
  effective(asOf),
  ...filtersOf(scope, parameters),
];

/** Where the next piece begins: a tenant's are read by their start, all tenants' by their ids alone. */
type Position = { startedAt: Date; attemptId: string };

const after = (position: Position | null, byStart: boolean, parameters: Parameters): string[] => {
  if (position === null) return [];
  const id = parameters.add(position.attemptId);
  if (!byStart) return [`event.attempt_id > ${id}`];
  return [`(started_at, event.attempt_id) > (${parameters.addInstant(position.startedAt.getTime())}, ${id})`];
};

/** Runs one statement that may take its order from an index alone: sorted, each piece would cost what all cost. */
const inOrderOfIndex = <Row extends QueryResultRow>(
  database: Database,
  text: string,
  values: unknown[],
): Promise<QueryResult<Row>> =>
  inTransaction(database, async (client) => {
    await client.query(
      `select set_config('enable_sort', 'off', true), set_config('enable_bitmapscan', 'off', true)`,
    );
    return client.query<Row>(text, values);
  });

const loadPiece = async (
  database: Database,
  scope: UsageScope,
  position: Position | null,
): Promise<AttemptRow[]> => {
  const byStart = scope.tenantId !== null;
  const parameters = new Parameters();
  const asOf = `${parameters.add(scope.asOf)}::timestamptz`;
  const conditions = [
    ...scopeOf(scope, asOf, parameters),
    idsAround(scope, parameters, 'event.'),
    ...after(position, byStart, parameters),
  ];
  const order = byStart ? 'started_at, event.attempt_id' : 'event.attempt_id';
  const statement = () =>
    inOrderOfIndex<AttemptRow>(
      database,
      `select event.attempt_id as "attemptId", request_id as "requestId", tenant_id as "tenantId",
          api_key_id as "apiKeyId", provider_key_id as "providerKeyId", provider, model,
          served_model as "servedModel", requested_model as "requestedModel", route, lane, surface, team,
          feature, end_user as "user", tags, attempt_number as "attemptNumber", outcome,
          error_code as "errorCode", started_at as "startedAt", queue_ms as "queueMs",
          first_token_ms as "firstTokenMs", duration_ms as "durationMs", usage_source as "usageSource",
          price_tier as "priceTier",
          ${TOKEN_CLASSES.map((token) => `${token}_tokens as ${token}`).join(', ')},
          reasoning_tokens as reasoning, coalesce(repriced.pricing, event.pricing) as pricing,
          case when coalesce(repriced.pricing, event.pricing) = 'priced'
            then coalesce(event.cost_pico_usd, 0) + coalesce(repriced.cost, 0) end as cost,
          case when coalesce(repriced.pricing, event.pricing) = 'priced'
            then coalesce(event.list_cost_pico_usd, 0) + coalesce(repriced.list_cost, 0) end as "listCost"
   from usage_event event cross join ${repriced(asOf)}
   where ${conditions.join(' and ')}
     order by ${order} limit ${PIECE_ROWS}`,
      parameters.values,
    );
  const result = await inTenant(scope.tenantId, statement);
  return result.rows;
};

/** In the order of their time, a thousand at once. */
export async function* exportAttempts(
  database: Database,
  scope: UsageScope,
): AsyncGenerator<ExportedAttempt[]> {
  let position: Position | null = null;
  for (;;) {
    const rows = await loadPiece(database, scope, position);
    const last = rows.at(-1);
    if (last === undefined) return;
    position = { startedAt: last.startedAt, attemptId: last.attemptId };
    yield rows.map(decodeAttempt);
    if (rows.length < PIECE_ROWS) return;
  }
}

/** What one hour of one provider key, model, tier, component and rate cost. */
export type ExportedCharge = {
  hour: Date;
  tenantId: string;
  tenantName: string | null;
  provider: string;
  providerKeyId: string;
  providerKeyName: string | null;
  payee: string;
  model: string;
  priceTier: string;
  component: string;
  team: string | null;
  feature: string | null;
  /** The price of the book, with the conditions that tell it from others of its tier; null where it lists none. */
  priceId: string | null;
  region: string | null;
  inputTotalMin: string | null;
  quantityFrom: string | null;
  dayMinuteFrom: number | null;
  rateId: string | null;
  listRatePicoUsd: bigint;
  ratePicoUsd: bigint;
  quantity: bigint;
  listCostPicoUsd: bigint;
  costPicoUsd: bigint;
};

const HOUR_MS = 3_600_000;

type ChargeRow = Omit<
  ExportedCharge,
  'listRatePicoUsd' | 'ratePicoUsd' | 'quantity' | 'listCostPicoUsd' | 'costPicoUsd'
> & { listRate: string; rate: string; quantity: string; listCost: string; cost: string };

const loadHours = async (database: Database, scope: UsageScope): Promise<number[]> => {
  const parameters = new Parameters();
  const conditions = [
    `hour >= date_trunc('hour', ${parameters.addInstant(scope.fromMs)})`,
    `hour < ${parameters.addInstant(scope.toMs)}`,
    ...(scope.tenantId === null ? [] : [`tenant_id = ${parameters.add(scope.tenantId)}`]),
  ];
  const statement = () =>
    database.pool.query<{ hour: Date }>(
      `select distinct hour from usage_hour where ${conditions.join(' and ')} order by hour`,
      parameters.values,
    );
  const result = await inTenant(scope.tenantId, statement);
  return result.rows.map(({ hour }) => hour.getTime());
};

/** Charges of priced attempts, summed hour by hour (UTC); re-priced ones at what they cost now. */
export async function* exportCharges(
  database: Database,
  scope: UsageScope,
): AsyncGenerator<ExportedCharge[]> {
  for (const hourMs of await loadHours(database, scope)) {
    const inHour = {
      ...scope,
      fromMs: Math.max(scope.fromMs, hourMs),
      toMs: Math.min(scope.toMs, hourMs + HOUR_MS),
    };
    const parameters = new Parameters();
    const asOf = `${parameters.add(scope.asOf)}::timestamptz`;
    const conditions = [
      ...scopeOf(inHour, asOf, parameters),
      idsAround(inHour, parameters, 'event.'),
      idsAround(inHour, parameters, 'charge.'),
      `charge.recorded_at <= ${asOf}`,
      `coalesce(repriced.pricing, event.pricing) = 'priced'`,
    ];
    const hour = parameters.addInstant(hourMs);
    const statement = () =>
      database.pool.query<ChargeRow>(
        `with summed as (
         select event.tenant_id, event.provider, provider_key_id, payee, model, price_tier, component, team,
                feature, price_id, rate_id, list_rate_pico_usd, rate_pico_usd, sum(quantity) as quantity,
                sum(list_amount_pico_usd) as list_cost, sum(amount_pico_usd) as cost
         from usage_event event cross join ${repriced(asOf)}
         join (select attempt_id, revision, component, payee, quantity, list_rate_pico_usd, price_id, rate_id,
                      list_amount_pico_usd, rate_pico_usd, amount_pico_usd, recorded_at
               from usage_charge) charge
           on charge.attempt_id = event.attempt_id and charge.revision = event.revision
         where ${conditions.join(' and ')}
         group by 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13
       )
       select ${hour} as hour, summed.tenant_id as "tenantId", tenant.name as "tenantName", summed.provider,
              provider_key_id as "providerKeyId", provider_key.name as "providerKeyName", payee, summed.model,
              price_tier as "priceTier", summed.component, team, feature, price_id as "priceId", price.region,
              price.input_total_min as "inputTotalMin", price.quantity_from as "quantityFrom",
              price.day_minute_from as "dayMinuteFrom", rate_id as "rateId", list_rate_pico_usd as "listRate",
              summed.rate_pico_usd as rate, quantity, list_cost as "listCost", cost
       from summed
       left join tenant on tenant.id = summed.tenant_id
       left join provider_key on provider_key.id = summed.provider_key_id
       left join price on price.id = price_id
       where quantity <> 0 or cost <> 0 or list_cost <> 0
       order by 2, 4, 5, 8, 9, 10, 11, 12, 13, 18, 19, 20, 7`,
        parameters.values,
      );
    const result = await inTenant(scope.tenantId, statement);
    if (result.rows.length === 0) continue;
    yield result.rows.map(({ listRate, rate, quantity, listCost, cost, ...row }) => ({
      ...row,
      listRatePicoUsd: BigInt(listRate),
      ratePicoUsd: BigInt(rate),
      quantity: BigInt(quantity),
      listCostPicoUsd: BigInt(listCost),
      costPicoUsd: BigInt(cost),
    }));
  }
}
