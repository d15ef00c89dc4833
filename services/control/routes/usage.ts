import { createHash } from 'node:crypto';
import type { FastifyInstance } from 'fastify';
import { z } from 'zod';
import { requestId, type RequestId, type TenantId } from '#contracts/ids';
import { usageQuery, type UsageQuery } from '#contracts/usage-query';
import { FloError } from '#domain/errors';
import { encodeUsd, encodeUsdPerMillion } from '#domain/money';
import type { ExplainedCharge, RecordedAttempt } from '#postgres/request-usage';
import type { LedgerClock, UsagePage, UsageRow, UsageSelection } from '#postgres/usage-query';
import { decodeCursor, encodeCursor, invalidInput } from './list-input.ts';
import type { Authorize, Principal } from './usage-authorization.ts';

export type UsageRouteDependencies = {
  authorize: Authorize;
  usage: {
    query: (selection: UsageSelection) => Promise<UsagePage>;
    readClock: (asOf: string | null) => Promise<LedgerClock>;
    loadRequest: (requestId: RequestId, tenantId: TenantId | null) => Promise<RecordedAttempt[]>;
  };
};

/** Pages of one query all read the ledger as of the first one, so that they fit together. */
const pagePosition = z.strictObject({
  query: z.string(),
  as_of: z.iso.datetime({ offset: true }),
  offset: z.int().nonnegative(),
});

const fingerprint = (query: UsageQuery, tenantId: TenantId | null): string => {
  const { cursor: _, limit: __, ...asked } = query;
  return createHash('sha256')
    .update(JSON.stringify([tenantId, asked]))
    .digest('base64url')
    .slice(0, 22);
};

const encodeRow = (row: UsageRow, query: UsageQuery) => ({
  ...(row.periodStart === null ? {} : { period_start: row.periodStart.toISOString() }),
  ...Object.fromEntries(query.group_by.map((dimension, index) => [dimension, row.dimensions[index] ?? null])),
  requests: row.requests,
  attempts: row.attempts,
  unpriced_attempts: row.unpricedAttempts,
  unknown_attempts: row.unknownAttempts,
  tokens: { ...row.tokens, reasoning: row.reasoningTokens },
  cost: encodeUsd(row.costPicoUsd),
});

const SHARE_DIGITS = 1_000_000n;
/** From 0 to 1, to six places. */
const shareOf = (part: bigint, whole: bigint): number =>
  whole === 0n ? 0 : Number((part * SHARE_DIGITS) / whole) / Number(SHARE_DIGITS);

const encodeCharge = (charge: ExplainedCharge) => {
  const rate = encodeUsdPerMillion(charge.ratePicoUsd);
  const amount = encodeUsd(charge.amountPicoUsd);
  const { price } = charge;
  return {
    component: charge.component,
    quantity: Number(charge.quantity),
    /** Decimal text, USD per million tokens. */
    rate,
    amount,
    formula: `${charge.quantity} × ${rate} USD per million = ${amount} USD`,
    price: {
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
  charges: attempt.charges.map(encodeCharge),
  recorded_at: attempt.recordedAt.toISOString(),
});

const tenantOf = (principal: Principal, asked: TenantId | undefined): TenantId | null =>
  principal.kind === 'root' ? (asked ?? null) : principal.apiKey.tenantId;

/**
 * `POST /api/v1/usage/query` and `GET /api/v1/usage/requests/{request_id}`. The root key reads every
 * tenant; an API key its own.
 */
export const registerUsageRoutes = (app: FastifyInstance, dependencies: UsageRouteDependencies): void => {
  const { authorize, usage } = dependencies;

  app.post('/api/v1/usage/query', async (request) => {
    const principal = await authorize(request, { scope: 'usage:read' });
    const parsed = usageQuery.safeParse(request.body);
    if (!parsed.success) throw invalidInput(parsed.error);
    const query = parsed.data;
    if (
      principal.kind === 'api_key' &&
      query.tenant !== undefined &&
      query.tenant !== principal.apiKey.tenantId
    ) {
      throw new FloError('forbidden', 'This API key may read only its own tenant; leave tenant out.', {
        param: 'tenant',
      });
    }
    const tenantId = tenantOf(principal, query.tenant);

    const queryPrint = fingerprint(query, tenantId);
    const position = query.cursor === undefined ? null : decodeCursor(pagePosition, query.cursor);
    if (position !== null && position.query !== queryPrint) {
      throw new FloError(
        'invalid_request',
        'The cursor belongs to another query; repeat the query it came from.',
        {
          param: 'cursor',
        },
      );
    }
    const clock = await usage.readClock(position?.as_of ?? query.as_of ?? null);
    const asOf = position?.as_of ?? query.as_of ?? clock.now;
    const offset = position?.offset ?? 0;
    const page = await usage.query({
      tenantId,
      from: query.from,
      to: query.to,
      timeZone: query.time_zone,
      granularity: query.granularity,
      groupBy: query.group_by,
      filters: query.filters,
      asOf,
      offset,
      limit: query.limit,
    });
    return {
      data: page.rows.map((row) => encodeRow(row, query)),
      as_of: asOf,
      /** When the newest event in this answer's view of the ledger was recorded. */
      watermark: clock.watermark?.toISOString() ?? null,
      /** The part of the cost, from 0 to 1, that rests on other than a provider's final figures. */
      estimated_share: shareOf(page.estimatedCostPicoUsd, page.totalCostPicoUsd),
      has_more: page.hasMore,
      next_cursor: page.hasMore
        ? encodeCursor({ query: queryPrint, as_of: asOf, offset: offset + query.limit })
        : null,
    };
  });

  app.get('/api/v1/usage/requests/:request_id', async (request) => {
    const principal = await authorize(request, { scope: 'usage:read' });
    const parsed = z.object({ request_id: requestId }).safeParse(request.params);
    if (!parsed.success) throw invalidInput(parsed.error);
    const id = parsed.data.request_id;
    const attempts = await usage.loadRequest(id, tenantOf(principal, undefined));
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
