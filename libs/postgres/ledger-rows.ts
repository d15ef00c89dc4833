/** How events and charges become rows of `usage_event` and `usage_charge`. */
import type { AttemptEvent } from '#contracts/attempt-event';
import { TOKEN_CLASSES } from '#contracts/usage';
import type { PricedEvent } from '#domain/ports';
import { copyColumns, type CopyColumn } from './copy-rows.ts';
import type { RecordingInstant } from './recording-instant.ts';

export type EventRow = PricedEvent;

/** Stands in rows until the transaction that records them is known; see `EncodedRows`. */
const NOT_YET: RecordingInstant = { text: '', microseconds: 0 };

/** What of the usage has a column of its own. */
const USAGE_COLUMNS = new Set(['source', 'tokens', 'reasoning', 'serviceTier', 'raw']);

const extrasOf = (usage: AttemptEvent['usage']): Record<string, unknown> | undefined => {
  const extras = Object.entries(usage).filter(([name]) => !USAGE_COLUMNS.has(name));
  return extras.length === 0 ? undefined : Object.fromEntries(extras);
};

const ofEvent = copyColumns<EventRow>();

/** The last is the instant of the recording, which is put there later. */
export const EVENT_COLUMNS: readonly CopyColumn<EventRow>[] = [
  ofEvent.text('attempt_id', ({ event }) => event.attemptId),
  ofEvent.smallint('revision', ({ event }) => event.revision),
  ofEvent.text('request_id', ({ event }) => event.requestId),
  ofEvent.text('tenant_id', ({ event }) => event.tenantId),
  ofEvent.text('api_key_id', ({ event }) => event.apiKeyId),
  ofEvent.text('provider_key_id', ({ event }) => event.providerKeyId),
  ofEvent.text('provider', ({ event }) => event.provider),
  ofEvent.text('model', ({ event }) => event.model),
  ofEvent.text('served_model', ({ event }) => event.servedModel),
  ofEvent.text('requested_model', ({ event }) => event.requestedModel),
  ofEvent.text('route', ({ event }) => event.route),
  ofEvent.text('lane', ({ event }) => event.lane),
  ofEvent.text('surface', ({ event }) => event.surface),
  ofEvent.boolean('stream', ({ event }) => event.stream),
  ofEvent.text('team', ({ event }) => event.attribution.team),
  ofEvent.text('feature', ({ event }) => event.attribution.feature),
  ofEvent.text('end_user', ({ event }) => event.attribution.user),
  ofEvent.jsonb('tags', ({ event }) => event.attribution.tags),
  ofEvent.integer('attempt_number', ({ event }) => event.attemptNumber),
  ofEvent.integer('step', ({ event }) => event.step),
  ofEvent.text('outcome', ({ event }) => event.outcome),
  ofEvent.text('error_code', ({ event }) => event.errorCode),
  ofEvent.integer('upstream_status', ({ event }) => event.upstreamStatus),
  ofEvent.text('upstream_request_id', ({ event }) => event.upstreamRequestId),
  ofEvent.text('provider_response_id', ({ event }) => event.providerResponseId),
  ofEvent.text('finish_reason', ({ event }) => event.finishReason),
  ofEvent.text('service_tier', ({ event }) => event.usage.serviceTier),
  ofEvent.instant('started_at', ({ event }) => event.startedAtMs * 1_000),
  ofEvent.integer('queue_ms', ({ event }) => event.queueMs),
  ofEvent.integer('first_byte_ms', ({ event }) => event.firstByteMs),
  ofEvent.integer('first_token_ms', ({ event }) => event.firstTokenMs),
  ofEvent.integer('duration_ms', ({ event }) => event.durationMs),
  ofEvent.text('usage_source', ({ event }) => event.usage.source),
  ...TOKEN_CLASSES.map((token) =>
    ofEvent.bigint(`${token}_tokens`, ({ event }) => event.usage.tokens[token]),
  ),
  ofEvent.bigint('reasoning_tokens', ({ event }) => event.usage.reasoning),
  ofEvent.jsonb('usage_extras', ({ event }) => extrasOf(event.usage)),
  ofEvent.json('raw_usage', ({ event }) => event.usage.raw),
  ofEvent.text('price_tier', ({ pricing }) => pricing.tier),
  ofEvent.text('pricing', ({ pricing }) => pricing.kind),
  ofEvent.bigint('cost_pico_usd', ({ pricing }) => pricing.costPicoUsd),
  ofEvent.bigint('list_cost_pico_usd', ({ pricing }) => pricing.listCostPicoUsd),
  ofEvent.text('pricing_reason', ({ pricing }) => pricing.reason),
  ofEvent.hexadecimal('payload_hash', ({ payloadHash }) => payloadHash),
  ofEvent.bigint('stream_sequence', ({ streamSequence }) => streamSequence),
  ofEvent.instant('recorded_at', () => NOT_YET.microseconds),
];

/** `adjustment` is 0 for what came with the event; a reversal has a negative quantity. */
export type ChargeRow = {
  attemptId: string;
  revision: number;
  number: number;
  adjustment: number;
  tenantId: string;
  charge: PricedEvent['pricing']['charges'][number];
  reverses: number | null;
  recordedAt: RecordingInstant;
};

const ofCharge = copyColumns<ChargeRow>();

export const CHARGE_COLUMNS: readonly CopyColumn<ChargeRow>[] = [
  ofCharge.text('attempt_id', (row) => row.attemptId),
  ofCharge.smallint('revision', (row) => row.revision),
  ofCharge.smallint('number', (row) => row.number),
  ofCharge.smallint('adjustment', (row) => row.adjustment),
  ofCharge.text('tenant_id', (row) => row.tenantId),
  ofCharge.text('component', ({ charge }) => charge.component),
  ofCharge.text('payee', ({ charge }) => charge.payee),
  ofCharge.bigint('quantity', ({ charge }) => charge.quantity),
  ofCharge.bigint('list_rate_pico_usd', ({ charge }) => charge.listRatePicoUsd),
  ofCharge.bigint('list_amount_pico_usd', ({ charge }) => charge.listAmountPicoUsd),
  ofCharge.bigint('rate_pico_usd', ({ charge }) => charge.ratePicoUsd),
  ofCharge.bigint('amount_pico_usd', ({ charge }) => charge.amountPicoUsd),
  ofCharge.bigint('price_id', ({ charge }) => charge.priceId),
  ofCharge.text('rate_id', ({ charge }) => charge.rateId),
  ofCharge.bigint('volume_from', ({ charge }) => charge.volumeFrom),
  ofCharge.smallint('reverses', (row) => row.reverses),
  ofCharge.instant('recorded_at', (row) => row.recordedAt.microseconds),
];

/** Rows that are recorded at an instant yet to come. */
export const chargeRowsOf = ({ event, pricing }: EventRow): ChargeRow[] =>
  pricing.charges.map((charge, index) => ({
    attemptId: event.attemptId,
    revision: event.revision,
    number: index + 1,
    adjustment: 0,
    tenantId: event.tenantId,
    charge,
    reverses: null,
    recordedAt: NOT_YET,
  }));
