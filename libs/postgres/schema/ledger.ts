import {
  bigint,
  boolean,
  check,
  index,
  integer,
  jsonb,
  pgTable,
  primaryKey,
  smallint,
  text,
  timestamp,
  unique,
} from 'drizzle-orm/pg-core';
import { sql } from 'drizzle-orm';

const instant = (name: string) => timestamp(name, { withTimezone: true, mode: 'date' });
const whole = (name: string) => bigint(name, { mode: 'bigint' });

/** The price book: integer rates with the interval they hold in and where they come from. */
export const price = pgTable(
  'price',
  {
    id: whole('id').primaryKey().generatedAlwaysAsIdentity(),
    provider: text('provider').notNull(),
    model: text('model').notNull(),
    /** A token class. */
    component: text('component').notNull(),
    tier: text('tier').notNull().default('standard'),
    /** Pico-dollars per token, which is micro-dollars per million tokens. */
    ratePicoUsd: whole('rate_pico_usd').notNull(),
    /** The rate holds while all input tokens of the request together are within these, both inclusive. */
    inputTotalMin: whole('input_total_min')
      .notNull()
      .default(sql`0`),
    inputTotalMax: whole('input_total_max'),
    effectiveFrom: instant('effective_from').notNull(),
    effectiveTo: instant('effective_to'),
    /** Where the rate was read, its version there, and a hash of what was read. */
    source: text('source').notNull(),
    sourceVersion: text('source_version').notNull(),
    sourceHash: text('source_hash').notNull(),
    createdAt: instant('created_at').notNull().defaultNow(),
  },
  (table) => [
    unique('price_key').on(
      table.provider,
      table.model,
      table.component,
      table.tier,
      table.inputTotalMin,
      table.effectiveFrom,
    ),
    check('price_rate_not_negative', sql`${table.ratePicoUsd} >= 0`),
    check(
      'price_interval',
      sql`${table.effectiveTo} is null or ${table.effectiveTo} > ${table.effectiveFrom}`,
    ),
  ],
);

/** One row per upstream attempt and revision; never changed. See `libs/contracts/attempt-event.ts`. */
export const usageEvent = pgTable(
  'usage_event',
  {
    attemptId: text('attempt_id').notNull(),
    revision: smallint('revision').notNull(),
    requestId: text('request_id').notNull(),
    tenantId: text('tenant_id').notNull(),
    apiKeyId: text('api_key_id').notNull(),
    providerKeyId: text('provider_key_id').notNull(),
    provider: text('provider').notNull(),
    model: text('model').notNull(),
    servedModel: text('served_model'),
    requestedModel: text('requested_model').notNull(),
    route: text('route'),
    lane: text('lane').notNull(),
    surface: text('surface').notNull(),
    stream: boolean('stream').notNull(),
    team: text('team'),
    feature: text('feature'),
    endUser: text('end_user'),
    tags: jsonb('tags').$type<Record<string, string>>().notNull(),
    attemptNumber: integer('attempt_number').notNull(),
    step: integer('step').notNull(),
    outcome: text('outcome').notNull(),
    errorCode: text('error_code'),
    upstreamStatus: integer('upstream_status'),
    upstreamRequestId: text('upstream_request_id'),
    providerResponseId: text('provider_response_id'),
    finishReason: text('finish_reason'),
    serviceTier: text('service_tier'),
    startedAt: instant('started_at').notNull(),
    queueMs: integer('queue_ms').notNull(),
    firstByteMs: integer('first_byte_ms'),
    firstTokenMs: integer('first_token_ms'),
    durationMs: integer('duration_ms').notNull(),
    usageSource: text('usage_source').notNull(),
    /** Null: not reported. Zero: reported as zero. */
    inputTokens: whole('input_tokens'),
    cacheReadTokens: whole('cache_read_tokens'),
    cacheWrite5mTokens: whole('cache_write_5m_tokens'),
    cacheWrite1hTokens: whole('cache_write_1h_tokens'),
    cacheWriteOtherTokens: whole('cache_write_other_tokens'),
    inputAudioTokens: whole('input_audio_tokens'),
    inputImageTokens: whole('input_image_tokens'),
    outputTokens: whole('output_tokens'),
    outputAudioTokens: whole('output_audio_tokens'),
    outputImageTokens: whole('output_image_tokens'),
    /** A part of the output, reported beside it. */
    reasoningTokens: whole('reasoning_tokens'),
    rawUsage: jsonb('raw_usage'),
    /** `priced`; `unpriced`, some used class has no rate; `unknown`, nobody said how much was used. */
    pricing: text('pricing').notNull(),
    /** The sum of the event's charges; null unless every used class was priced. */
    costPicoUsd: whole('cost_pico_usd'),
    /** Why there is no cost, in words. */
    pricingReason: text('pricing_reason'),
    /** SHA-256 of the event as it came: the same id with another hash goes to quarantine. */
    payloadHash: text('payload_hash').notNull(),
    /** The event's sequence in its stream; with no gaps when nothing was lost. */
    streamSequence: whole('stream_sequence').notNull(),
    recordedAt: instant('recorded_at').notNull().defaultNow(),
  },
  (table) => [
    primaryKey({ columns: [table.attemptId, table.revision] }),
    index('usage_event_by_tenant_and_time').on(table.tenantId, table.startedAt),
    index('usage_event_by_request').on(table.requestId),
    index('usage_event_by_time').using('brin', table.startedAt),
    index('usage_event_by_recording').on(table.recordedAt),
  ],
);

/** Charges, append-only: one for each priced token class of an event. */
export const usageCharge = pgTable(
  'usage_charge',
  {
    attemptId: text('attempt_id').notNull(),
    revision: smallint('revision').notNull(),
    component: text('component').notNull(),
    quantity: whole('quantity').notNull(),
    priceId: whole('price_id')
      .notNull()
      .references(() => price.id),
    ratePicoUsd: whole('rate_pico_usd').notNull(),
    amountPicoUsd: whole('amount_pico_usd').notNull(),
    createdAt: instant('created_at').notNull().defaultNow(),
  },
  (table) => [
    primaryKey({ columns: [table.attemptId, table.revision, table.component] }),
    check('usage_charge_exact', sql`${table.amountPicoUsd} = ${table.quantity} * ${table.ratePicoUsd}`),
  ],
);

/**
 * Events that cannot enter the ledger as they are, kept to be looked at. The hash is in the key because a
 * stream that was made anew counts its sequence from 1 again.
 */
export const eventQuarantine = pgTable(
  'event_quarantine',
  {
    streamSequence: whole('stream_sequence').notNull(),
    /** SHA-256 of the message as it came. */
    payloadHash: text('payload_hash').notNull(),
    attemptId: text('attempt_id'),
    reason: text('reason').notNull(),
    payload: text('payload').notNull(),
    receivedAt: instant('received_at').notNull().defaultNow(),
  },
  (table) => [primaryKey({ columns: [table.streamSequence, table.payloadHash] })],
);
