import type { RequestId, TenantId } from '#contracts/ids';
import { TOKEN_CLASSES, type TokenClass } from '#contracts/usage';
import type { Database } from './database.ts';

export type ExplainedCharge = {
  component: string;
  quantity: bigint;
  ratePicoUsd: bigint;
  amountPicoUsd: bigint;
  /** The price it was charged by. */
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
  };
};

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
  costPicoUsd: bigint | null;
  recordedAt: Date;
  charges: ExplainedCharge[];
};

type AttemptRow = Omit<RecordedAttempt, 'tokens' | 'reasoningTokens' | 'costPicoUsd' | 'charges'> &
  Record<TokenClass, string | null> & { reasoning: string | null; cost: string | null };

type ChargeRow = {
  attemptId: string;
  revision: number;
  component: string;
  quantity: string;
  ratePicoUsd: string;
  amountPicoUsd: string;
  priceId: string;
  inputTotalMin: string;
  inputTotalMax: string | null;
} & Pick<
  ExplainedCharge['price'],
  'model' | 'tier' | 'effectiveFrom' | 'effectiveTo' | 'source' | 'sourceVersion' | 'sourceHash'
>;

const decodeCharge = (row: ChargeRow): ExplainedCharge => ({
  component: row.component,
  quantity: BigInt(row.quantity),
  ratePicoUsd: BigInt(row.ratePicoUsd),
  amountPicoUsd: BigInt(row.amountPicoUsd),
  price: {
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

const decodeAttempt = (row: AttemptRow, charges: ExplainedCharge[]): RecordedAttempt => ({
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
  pricing: row.pricing,
  pricingReason: row.pricingReason,
  costPicoUsd: row.cost === null ? null : BigInt(row.cost),
  recordedAt: row.recordedAt,
  charges,
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
            cost_pico_usd as cost, recorded_at as "recordedAt"
     from usage_event
     where request_id = $1 and ($2::text is null or tenant_id = $2)
     order by attempt_id, revision desc`,
    [requestId, tenantId],
  );
  if (attempts.rows.length === 0) return [];

  const charges = await database.pool.query<ChargeRow>(
    `select attempt_id as "attemptId", revision, charge.component, quantity,
            charge.rate_pico_usd as "ratePicoUsd", amount_pico_usd as "amountPicoUsd", price_id as "priceId",
            price.model, price.tier, input_total_min as "inputTotalMin", input_total_max as "inputTotalMax",
            effective_from as "effectiveFrom", effective_to as "effectiveTo",
            source, source_version as "sourceVersion", source_hash as "sourceHash"
     from usage_charge charge join price on price.id = price_id
     where attempt_id = any($1::text[])
     order by charge.component`,
    [attempts.rows.map((row) => row.attemptId)],
  );
  const ordered = attempts.rows.toSorted((a, b) => a.attemptNumber - b.attemptNumber);
  return ordered.map((row) => {
    const own = charges.rows.filter(
      (charge) => charge.attemptId === row.attemptId && charge.revision === row.revision,
    );
    return decodeAttempt(row, own.map(decodeCharge));
  });
};
