import type { RequestId, TenantId } from '#contracts/ids';
import { TOKEN_CLASSES, type TokenClass } from '#contracts/usage';
import type { Database } from './database.ts';

export type ExplainedCharge = {
  component: string;
  quantity: bigint;
  payee: string;
  /** What anyone pays. */
  listRatePicoUsd: bigint;
  listAmountPicoUsd: bigint;
  /** What the tenant pays. */
  ratePicoUsd: bigint;
  amountPicoUsd: bigint;
  /** The charge of this attempt that it takes back; its quantity is negative then. */
  number: number;
  reverses: number | null;
  recordedAt: Date;
  /** The negotiated rate; null where none held. */
  rule: { id: string; kind: string; value: bigint; model: string; component: string | null } | null;
  /** The price of the book; null where it lists none. */
  price: {
    id: bigint;
    model: string;
    tier: string;
    inputTotalMin: bigint;
    inputTotalMax: bigint | null;
    effectiveFrom: Date;
    effectiveTo: Date | null;
    source: string;
    sourceVersion: string;
    sourceHash: string;
    reference: string | null;
  } | null;
};

/** A later change of an attempt's cost. */
export type Adjustment = { reason: string; pricing: string; costDeltaPicoUsd: bigint; recordedAt: Date };

export type RecordedAttempt = {
  attemptId: string;
  revision: number;
  attemptNumber: number;
  step: number;
  tenantId: string;
  provider: string;
  providerKeyId: string;
  model: string;
  servedModel: string | null;
  requestedModel: string;
  route: string | null;
  lane: string;
  surface: string;
  stream: boolean;
  outcome: string;
  errorCode: string | null;
  upstreamStatus: number | null;
  upstreamRequestId: string | null;
  providerResponseId: string | null;
  finishReason: string | null;
  serviceTier: string | null;
  startedAt: Date;
  queueMs: number;
  firstByteMs: number | null;
  firstTokenMs: number | null;
  durationMs: number;
  usageSource: string;
  /** A class that was not reported is absent. */
  tokens: Partial<Record<TokenClass, number>>;
  reasoningTokens: number | null;
  pricing: string;
  pricingReason: string | null;
  /** As it stands, all adjustments included. */
  costPicoUsd: bigint | null;
  listCostPicoUsd: bigint | null;
  recordedAt: Date;
  charges: ExplainedCharge[];
  adjustments: Adjustment[];
};

type AttemptRow = Omit<
  RecordedAttempt,
  'tokens' | 'reasoningTokens' | 'costPicoUsd' | 'listCostPicoUsd' | 'charges' | 'adjustments'
> &
  Record<TokenClass, string | null> & {
    reasoning: string | null;
    cost: string | null;
    listCost: string | null;
  };

type AttemptKey = { attemptId: string; revision: number };

type ChargeRow = AttemptKey & {
  number: number;
  reverses: number | null;
  component: string;
  payee: string;
  quantity: string;
  listRate: string;
  listAmount: string;
  rate: string;
  amount: string;
  recordedAt: Date;
  rateId: string | null;
  rateKind: string;
  rateValue: string;
  rateModel: string;
  rateComponent: string | null;
  priceId: string | null;
  model: string;
  tier: string;
  inputTotalMin: string;
  inputTotalMax: string | null;
  effectiveFrom: Date;
  effectiveTo: Date | null;
  source: string;
  sourceVersion: string;
  sourceHash: string;
  reference: string | null;
};

type AdjustmentRow = AttemptKey &
  Omit<Adjustment, 'costDeltaPicoUsd'> & {
    costDelta: string;
    listCostDelta: string;
    pricingReason: string | null;
  };

const decodeCharge = (row: ChargeRow): ExplainedCharge => ({
  number: row.number,
  reverses: row.reverses,
  component: row.component,
  payee: row.payee,
  quantity: BigInt(row.quantity),
  listRatePicoUsd: BigInt(row.listRate),
  listAmountPicoUsd: BigInt(row.listAmount),
  ratePicoUsd: BigInt(row.rate),
  amountPicoUsd: BigInt(row.amount),
  recordedAt: row.recordedAt,
  rule:
    row.rateId === null
      ? null
      : {
          id: row.rateId,
          kind: row.rateKind,
          value: BigInt(row.rateValue),
          model: row.rateModel,
          component: row.rateComponent,
        },
  price:
    row.priceId === null
      ? null
      : {
          id: BigInt(row.priceId),
          model: row.model,
          tier: row.tier,
          inputTotalMin: BigInt(row.inputTotalMin),
          inputTotalMax: row.inputTotalMax === null ? null : BigInt(row.inputTotalMax),
          effectiveFrom: row.effectiveFrom,
          effectiveTo: row.effectiveTo,
          source: row.source,
          sourceVersion: row.sourceVersion,
          sourceHash: row.sourceHash,
          reference: row.reference,
        },
});

const decodeTokens = (row: AttemptRow): RecordedAttempt['tokens'] => {
  const tokens: RecordedAttempt['tokens'] = {};
  for (const token of TOKEN_CLASSES) {
    const count = row[token];
    if (count !== null) tokens[token] = Number(count);
  }
  return tokens;
};

/** A cost with its later changes; it is known where the newest of them, or the event itself, was priced. */
const standingCost = (
  recorded: string | null,
  changes: readonly string[],
  isPriced: boolean,
): bigint | null =>
  isPriced ? changes.reduce((sum, change) => sum + BigInt(change), BigInt(recorded ?? 0)) : null;

const decodeAttempt = (
  row: AttemptRow,
  charges: ExplainedCharge[],
  adjustments: readonly AdjustmentRow[],
): RecordedAttempt => ({
  attemptId: row.attemptId,
  revision: row.revision,
  attemptNumber: row.attemptNumber,
  step: row.step,
  tenantId: row.tenantId,
  provider: row.provider,
  providerKeyId: row.providerKeyId,
  model: row.model,
  servedModel: row.servedModel,
  requestedModel: row.requestedModel,
  route: row.route,
  lane: row.lane,
  surface: row.surface,
  stream: row.stream,
  outcome: row.outcome,
  errorCode: row.errorCode,
  upstreamStatus: row.upstreamStatus,
  upstreamRequestId: row.upstreamRequestId,
  providerResponseId: row.providerResponseId,
  finishReason: row.finishReason,
  serviceTier: row.serviceTier,
  startedAt: row.startedAt,
  queueMs: row.queueMs,
  firstByteMs: row.firstByteMs,
  firstTokenMs: row.firstTokenMs,
  durationMs: row.durationMs,
  usageSource: row.usageSource,
  tokens: decodeTokens(row),
  reasoningTokens: row.reasoning === null ? null : Number(row.reasoning),
  pricing: adjustments.at(-1)?.pricing ?? row.pricing,
  pricingReason: adjustments.length === 0 ? row.pricingReason : (adjustments.at(-1)?.pricingReason ?? null),
  costPicoUsd: standingCost(
    row.cost,
    adjustments.map(({ costDelta }) => costDelta),
    (adjustments.at(-1)?.pricing ?? row.pricing) === 'priced',
  ),
  listCostPicoUsd: standingCost(
    row.listCost,
    adjustments.map(({ listCostDelta }) => listCostDelta),
    (adjustments.at(-1)?.pricing ?? row.pricing) === 'priced',
  ),
  recordedAt: row.recordedAt,
  charges,
  adjustments: adjustments.map(({ reason, pricing, costDelta, recordedAt }) => ({
    reason,
    pricing,
    costDeltaPicoUsd: BigInt(costDelta),
    recordedAt,
  })),
});

/**
 * A request's attempts in order, each as its newest revision tells it, with its charges. Empty when the
 * ledger knows no such request, or none of this tenant's (`tenantId` null asks for any tenant's).
 */
export const loadRequestUsage = async (
  database: Database,
  requestId: RequestId,
  tenantId: TenantId | null,
): Promise<RecordedAttempt[]> => {
  const attempts = await database.pool.query<AttemptRow>(
    `select distinct on (attempt_id)
            attempt_id as "attemptId", revision, attempt_number as "attemptNumber", step,
            tenant_id as "tenantId", provider, provider_key_id as "providerKeyId", model,
            served_model as "servedModel", requested_model as "requestedModel", route, lane, surface, stream,
            outcome, error_code as "errorCode", upstream_status as "upstreamStatus",
            upstream_request_id as "upstreamRequestId", provider_response_id as "providerResponseId",
            finish_reason as "finishReason", service_tier as "serviceTier", started_at as "startedAt",
            queue_ms as "queueMs", first_byte_ms as "firstByteMs", first_token_ms as "firstTokenMs",
            duration_ms as "durationMs", usage_source as "usageSource",
            ${TOKEN_CLASSES.map((token) => `${token}_tokens as ${token}`).join(', ')},
            reasoning_tokens as reasoning, pricing, pricing_reason as "pricingReason",
            cost_pico_usd as cost, list_cost_pico_usd as "listCost", recorded_at as "recordedAt"
     from usage_event
     where request_id = $1 and ($2::text is null or tenant_id = $2)
     order by attempt_id, revision desc`,
    [requestId, tenantId],
  );
  if (attempts.rows.length === 0) return [];

  const ids = [attempts.rows.map((row) => row.attemptId)];
  const charges = await database.pool.query<ChargeRow>(
    `select attempt_id as "attemptId", revision, number, reverses, charge.component, payee, quantity,
            charge.list_rate_pico_usd as "listRate", list_amount_pico_usd as "listAmount",
            charge.rate_pico_usd as rate, amount_pico_usd as amount, recorded_at as "recordedAt",
            rule.id as "rateId", rule.kind as "rateKind", rule.value as "rateValue", rule.model as "rateModel",
            rule.component as "rateComponent",
            price.id as "priceId", price.model, price.tier, input_total_min as "inputTotalMin",
            input_total_max as "inputTotalMax", price.effective_from as "effectiveFrom",
            price.effective_to as "effectiveTo", source, source_version as "sourceVersion",
            source_hash as "sourceHash", reference
     from usage_charge charge
     left join price on price.id = price_id
     left join negotiated_rate rule on rule.id = rate_id
     where attempt_id = any($1::text[])
     order by number`,
    ids,
  );
  const adjustments = await database.pool.query<AdjustmentRow>(
    `select attempt_id as "attemptId", revision, reason, pricing, pricing_reason as "pricingReason", cost_pico_usd as "costDelta",
            list_cost_pico_usd as "listCostDelta", recorded_at as "recordedAt"
     from usage_adjustment where attempt_id = any($1::text[]) and kind = 'repricing' order by number`,
    ids,
  );
  const ordered = attempts.rows.toSorted((a, b) => a.attemptNumber - b.attemptNumber);
  return ordered.map((row) => {
    const isOwn = (other: AttemptKey): boolean =>
      other.attemptId === row.attemptId && other.revision === row.revision;
    return decodeAttempt(row, charges.rows.filter(isOwn).map(decodeCharge), adjustments.rows.filter(isOwn));
  });
};
