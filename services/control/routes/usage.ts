import { createHash } from 'node:crypto';
import type { FastifyInstance, FastifyRequest } from 'fastify';
import { z } from 'zod';
import { requestId, type RequestId, type TenantId } from '#contracts/ids';
import { usageQuery, type UsageQuery } from '#contracts/usage-query';
import { FloError } from '#domain/errors';
import { encodeUsd, encodeUsdPerMillion } from '#domain/money';
import type { ExplainedCharge, RecordedAttempt } from '#postgres/request-usage';
import type { SavingsRow, SavingsSelection } from '#postgres/tier-savings';
import type { PerformanceRow, PerformanceSelection } from '#postgres/usage-performance';
import type { LedgerClock, UsagePage, UsageRow, UsageSelection } from '#postgres/usage-query';
import { decodeCursor, encodeCursor, invalidInput } from './list-input.ts';
import { readTenantOf, type Authorize } from './usage-authorization.ts';

export type UsageRouteDependencies = {
  authorize: Authorize;
  usage: {
    query: (selection: UsageSelection) => Promise<UsagePage>;
    readClock: (asOf: string | null) => Promise<LedgerClock>;
    queryPerformance: (
      selection: PerformanceSelection,
    ) => Promise<{ rows: PerformanceRow[]; hasMore: boolean }>;
    queryTierSavings: (selection: SavingsSelection) => Promise<{ rows: SavingsRow[]; hasMore: boolean }>;
    loadRequest: (requestId: RequestId, tenantId: TenantId | null) => Promise<RecordedAttempt[]>;
  };
};

/** Pages of one query all read the ledger as of the first one, so that they fit together. */
const pagePosition = z.strictObject({
  query: z.string(),
  as_of: z.iso.datetime({ offset: true }),
  offset: z.int().nonnegative(),
});

const fingerprint = (path: string, query: UsageQuery, tenantId: TenantId | null): string => {
  const { cursor: _, limit: __, ...asked } = query;
  return createHash('sha256')
    .update(JSON.stringify([path, tenantId, asked]))
    .digest('base64url')
    .slice(0, 22);
};

const encodeKeys = (row: Pick<UsageRow, 'periodStart' | 'dimensions'>, query: UsageQuery) => ({
  ...(row.periodStart === null ? {} : { period_start: row.periodStart.toISOString() }),
  ...Object.fromEntries(query.group_by.map((dimension, index) => [dimension, row.dimensions[index] ?? null])),
});

const encodeRow = (row: UsageRow, query: UsageQuery) => ({
  ...encodeKeys(row, query),
  requests: row.requests,
  attempts: row.attempts,
  unpriced_attempts: row.unpricedAttempts,
  unknown_attempts: row.unknownAttempts,
  tokens: { ...row.tokens, reasoning: row.reasoningTokens },
  cost: encodeUsd(row.costPicoUsd),
  /** What the same would have cost at list prices. */
  list_cost: encodeUsd(row.listCostPicoUsd),
});

const SHARE_DIGITS = 1_000_000n;
/** From 0 to 1, to six places. */
const shareOf = (part: bigint, whole: bigint): number =>
  whole === 0n ? 0 : Number((part * SHARE_DIGITS) / whole) / Number(SHARE_DIGITS);

const encodeCharge = (charge: ExplainedCharge) => {
  const rate = encodeUsdPerMillion(charge.ratePicoUsd);
  const amount = encodeUsd(charge.amountPicoUsd);
  const { price, rule } = charge;
  return {
    number: charge.number,
    /** The number of the charge that it takes back. */
    reverses: charge.reverses,
    component: charge.component,
    payee: charge.payee,
    quantity: Number(charge.quantity),
    /** Decimal text, USD per million units. */
    rate,
    amount,
    list_rate: encodeUsdPerMillion(charge.listRatePicoUsd),
    list_amount: encodeUsd(charge.listAmountPicoUsd),
    formula: `${charge.quantity} × ${rate} USD per million = ${amount} USD`,
    recorded_at: charge.recordedAt.toISOString(),
    rule:
      rule === null
        ? null
        : {
            id: rule.id,
            kind: rule.kind,
            /** USD per million units, or percent. */
            value: encodeUsdPerMillion(rule.value),
            model: rule.model,
            component: rule.component,
          },
    price:
      price === null
        ? null
        : {
            id: String(price.id),
            model: price.model,
            tier: price.tier,
            input_total_min: Number(price.inputTotalMin),
            input_total_max: price.inputTotalMax === null ? null : Number(price.inputTotalMax),
            effective_from: price.effectiveFrom.toISOString(),
            effective_to: price.effectiveTo?.toISOString() ?? null,
            source: price.source,
            source_version: price.sourceVersion,
            source_hash: price.sourceHash,
            reference: price.reference,
          },
  };
};

const encodeAttempt = (attempt: RecordedAttempt) => ({
  attempt_id: attempt.attemptId,
  attempt: attempt.attemptNumber,
  step: attempt.step,
  revision: attempt.revision,
  provider: attempt.provider,
  provider_key: attempt.providerKeyId,
  model: attempt.model,
  served_model: attempt.servedModel,
  service_tier: attempt.serviceTier,
  outcome: attempt.outcome,
  error_code: attempt.errorCode,
  upstream_status: attempt.upstreamStatus,
  upstream_request_id: attempt.upstreamRequestId,
  provider_response_id: attempt.providerResponseId,
  finish_reason: attempt.finishReason,
  started_at: attempt.startedAt.toISOString(),
  queue_ms: attempt.queueMs,
  first_byte_ms: attempt.firstByteMs,
  first_token_ms: attempt.firstTokenMs,
  duration_ms: attempt.durationMs,
  usage_source: attempt.usageSource,
  tokens: {
    ...attempt.tokens,
    ...(attempt.reasoningTokens === null ? {} : { reasoning: attempt.reasoningTokens }),
  },
  pricing: attempt.pricing,
  pricing_reason: attempt.pricingReason,
  cost: attempt.costPicoUsd === null ? null : encodeUsd(attempt.costPicoUsd),
  list_cost: attempt.listCostPicoUsd === null ? null : encodeUsd(attempt.listCostPicoUsd),
  charges: attempt.charges.map(encodeCharge),
  adjustments: attempt.adjustments.map((adjustment) => ({
    reason: adjustment.reason,
    pricing: adjustment.pricing,
    cost_change: encodeUsd(adjustment.costDeltaPicoUsd),
    recorded_at: adjustment.recordedAt.toISOString(),
  })),
  recorded_at: attempt.recordedAt.toISOString(),
});

const encodeSavings = (row: SavingsRow, query: UsageQuery) => ({
  ...encodeKeys(row, query),
  tier: row.tier,
  attempts: row.attempts,
  uncompared_attempts: row.uncomparedAttempts,
  cost: encodeUsd(row.costPicoUsd),
  list_cost: encodeUsd(row.listCostPicoUsd),
  standard_cost: encodeUsd(row.standardCostPicoUsd),
  /** Below zero where the tier costs more than the standard one. */
  saving: encodeUsd(row.standardCostPicoUsd - row.listCostPicoUsd),
});

/** Answers about a moment no longer ago than this come from rollups, less what came since. */
const ROLLUPS_READ_MS = 15 * 60_000;

/**
 * `POST /api/v1/usage/query`, `…/performance` and `…/savings`, and `GET /api/v1/usage/requests/{request_id}`.
 * The root key reads every tenant; an API key its own.
 */
export const registerUsageRoutes = (app: FastifyInstance, dependencies: UsageRouteDependencies): void => {
  const { authorize, usage } = dependencies;

  /** What is asked, by whom, and as of when; pages of one query are all of one moment. */
  const readQuery = async (request: FastifyRequest) => {
    const principal = await authorize(request, { scope: 'usage:read' });
    const parsed = usageQuery.safeParse(request.body);
    if (!parsed.success) throw invalidInput(parsed.error);
    const query = parsed.data;
    const tenantId = readTenantOf(principal, query.tenant);
    const queryPrint = fingerprint(request.url, query, tenantId);
    const position = query.cursor === undefined ? null : decodeCursor(pagePosition, query.cursor);
    if (position !== null && position.query !== queryPrint) {
      const message = 'The cursor belongs to another query; repeat the query it came from.';
      throw new FloError('invalid_request', message, { param: 'cursor' });
    }
    const clock = await usage.readClock(position?.as_of ?? query.as_of ?? null);
    const { asOf } = clock;
    const offset = position?.offset ?? 0;
    return {
      query,
      clock,
      asOf,
      selection: {
        tenantId,
        fromMs: Date.parse(query.from),
        toMs: Date.parse(query.to),
        timeZone: query.time_zone,
        granularity: query.granularity,
        groupBy: query.group_by,
        filters: query.filters,
        asOf,
        offset,
        limit: query.limit,
      },
      next: (hasMore: boolean) => ({
        has_more: hasMore,
        next_cursor: hasMore
          ? encodeCursor({ query: queryPrint, as_of: asOf, offset: offset + query.limit })
          : null,
      }),
    };
  };

  app.post('/api/v1/usage/query', async (request) => {
    const { query, clock, asOf, selection, next } = await readQuery(request);
    const page = await usage.query({
      ...selection,
      costBasis: query.cost_basis,
      readsRollups: Date.parse(clock.now) - Date.parse(asOf) <= ROLLUPS_READ_MS,
    });
    return {
      data: page.rows.map((row) => encodeRow(row, query)),
      as_of: asOf,
      /** When the newest event in this answer's view of the ledger was recorded. */
      watermark: clock.watermark?.toISOString() ?? null,
      /** The part of the cost, from 0 to 1, that rests on other than a provider's final figures. */
      estimated_share: shareOf(page.estimatedCostPicoUsd, page.totalCostPicoUsd),
      ...next(page.hasMore),
    };
  });

  app.post('/api/v1/usage/performance', async (request) => {
    const { query, clock, asOf, selection, next } = await readQuery(request);
    const { rows, hasMore } = await usage.queryPerformance(selection);
    return {
      data: rows.map((row) => ({
        ...encodeKeys(row, query),
        attempts: row.attempts,
        queue_ms: row.queueMs,
        first_token_ms: row.firstTokenMs,
        duration_ms: row.durationMs,
        status: row.outcomes,
        errors: row.errors,
      })),
      as_of: asOf,
      watermark: clock.watermark?.toISOString() ?? null,
      ...next(hasMore),
    };
  });

  app.post('/api/v1/usage/savings', async (request) => {
    const { query, clock, asOf, selection, next } = await readQuery(request);
    const { rows, hasMore } = await usage.queryTierSavings(selection);
    return {
      data: rows.map((row) => encodeSavings(row, query)),
      as_of: asOf,
      watermark: clock.watermark?.toISOString() ?? null,
      ...next(hasMore),
    };
  });

  app.get('/api/v1/usage/requests/:request_id', async (request) => {
    const principal = await authorize(request, { scope: 'usage:read' });
    const parsed = z.object({ request_id: requestId }).safeParse(request.params);
    if (!parsed.success) throw invalidInput(parsed.error);
    const id = parsed.data.request_id;
    const attempts = await usage.loadRequest(id, readTenantOf(principal, undefined));
    const [first] = attempts;
    if (first === undefined) {
      throw new FloError('route_not_found', `No recorded attempt belongs to the request ${id}.`);
    }
    const priced = attempts.filter((attempt) => attempt.costPicoUsd !== null);
    return {
      request_id: id,
      tenant: first.tenantId,
      requested_model: first.requestedModel,
      route: first.route,
      lane: first.lane,
      surface: first.surface,
      stream: first.stream,
      /** Of the priced attempts. */
      cost: encodeUsd(priced.reduce((sum, attempt) => sum + (attempt.costPicoUsd ?? 0n), 0n)),
      unpriced_attempts: attempts.filter((attempt) => attempt.pricing === 'unpriced').length,
      unknown_attempts: attempts.filter((attempt) => attempt.pricing === 'unknown').length,
      attempts: attempts.map(encodeAttempt),
    };
  });
};
