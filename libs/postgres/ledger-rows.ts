/** How events and charges become rows of `usage_event` and `usage_charge`. */
import type { AttemptEvent } from '#contracts/attempt-event';
import { TOKEN_CLASSES } from '#contracts/usage';
import type { PricedEvent } from '#domain/ports';
import type { Cell, CopyColumn } from './copy-rows.ts';
import { storableJson, storableText } from './storable-text.ts';

/** `recordedAt`: the instant of the transaction, as the database gave it. */
export type EventRow = PricedEvent & { recordedAt: string };

const textOrNull = (text: string | null | undefined): string | null =>
  text === null || text === undefined ? null : storableText(text);
const jsonOrNull = (value: unknown): string | null => (value === undefined ? null : storableJson(value));

const ofEvent = (name: string, read: (event: AttemptEvent) => Cell): CopyColumn<EventRow> => ({
  name,
  read: (row) => read(row.event),
});

/** What of the usage has a column of its own. */
const USAGE_COLUMNS = new Set(['source', 'tokens', 'reasoning', 'serviceTier', 'raw']);

const extrasOf = (usage: AttemptEvent['usage']): Record<string, unknown> | undefined => {
  const extras = Object.entries(usage).filter(([name]) => !USAGE_COLUMNS.has(name));
  return extras.length === 0 ? undefined : Object.fromEntries(extras);
};

export const EVENT_COLUMNS: readonly CopyColumn<EventRow>[] = [
  ofEvent('attempt_id', (event) => event.attemptId),
  ofEvent('revision', (event) => event.revision),
  ofEvent('request_id', (event) => event.requestId),
  ofEvent('tenant_id', (event) => event.tenantId),
  ofEvent('api_key_id', (event) => event.apiKeyId),
  ofEvent('provider_key_id', (event) => event.providerKeyId),
  ofEvent('provider', (event) => event.provider),
  ofEvent('model', (event) => storableText(event.model)),
  ofEvent('served_model', (event) => textOrNull(event.servedModel)),
  ofEvent('requested_model', (event) => storableText(event.requestedModel)),
  ofEvent('route', (event) => textOrNull(event.route)),
  ofEvent('lane', (event) => event.lane),
  ofEvent('surface', (event) => event.surface),
  ofEvent('stream', (event) => event.stream),
  ofEvent('team', (event) => textOrNull(event.attribution.team)),
  ofEvent('feature', (event) => textOrNull(event.attribution.feature)),
  ofEvent('end_user', (event) => textOrNull(event.attribution.user)),
  ofEvent('tags', (event) => storableJson(event.attribution.tags)),
  ofEvent('attempt_number', (event) => event.attemptNumber),
  ofEvent('step', (event) => event.step),
  ofEvent('outcome', (event) => event.outcome),
  ofEvent('error_code', (event) => textOrNull(event.errorCode)),
  ofEvent('upstream_status', (event) => event.upstreamStatus),
  ofEvent('upstream_request_id', (event) => textOrNull(event.upstreamRequestId)),
  ofEvent('provider_response_id', (event) => textOrNull(event.providerResponseId)),
  ofEvent('finish_reason', (event) => textOrNull(event.finishReason)),
  ofEvent('service_tier', (event) => textOrNull(event.usage.serviceTier)),
  ofEvent('started_at', (event) => new Date(event.startedAtMs).toISOString()),
  ofEvent('queue_ms', (event) => event.queueMs),
  ofEvent('first_byte_ms', (event) => event.firstByteMs),
  ofEvent('first_token_ms', (event) => event.firstTokenMs),
  ofEvent('duration_ms', (event) => event.durationMs),
  ofEvent('usage_source', (event) => event.usage.source),
  ...TOKEN_CLASSES.map((token) => ofEvent(`${token}_tokens`, (event) => event.usage.tokens[token] ?? null)),
  ofEvent('reasoning_tokens', (event) => event.usage.reasoning ?? null),
  ofEvent('usage_extras', (event) => jsonOrNull(extrasOf(event.usage))),
  ofEvent('raw_usage', (event) => jsonOrNull(event.usage.raw)),
  { name: 'price_tier', read: ({ pricing }) => storableText(pricing.tier) },
  { name: 'pricing', read: ({ pricing }) => pricing.kind },
  { name: 'cost_pico_usd', read: ({ pricing }) => pricing.costPicoUsd },
  { name: 'list_cost_pico_usd', read: ({ pricing }) => pricing.listCostPicoUsd },
  { name: 'pricing_reason', read: ({ pricing }) => textOrNull(pricing.reason) },
  { name: 'payload_hash', read: (row) => `\\x${row.payloadHash}` },
  { name: 'stream_sequence', read: (row) => row.streamSequence },
  { name: 'recorded_at', read: (row) => row.recordedAt },
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
  recordedAt: string;
};

export const CHARGE_COLUMNS: readonly CopyColumn<ChargeRow>[] = [
  { name: 'attempt_id', read: (row) => row.attemptId },
  { name: 'revision', read: (row) => row.revision },
  { name: 'number', read: (row) => row.number },
  { name: 'adjustment', read: (row) => row.adjustment },
  { name: 'tenant_id', read: (row) => row.tenantId },
  { name: 'component', read: ({ charge }) => charge.component },
  { name: 'payee', read: ({ charge }) => charge.payee },
  { name: 'quantity', read: ({ charge }) => charge.quantity },
  { name: 'list_rate_pico_usd', read: ({ charge }) => charge.listRatePicoUsd },
  { name: 'list_amount_pico_usd', read: ({ charge }) => charge.listAmountPicoUsd },
  { name: 'rate_pico_usd', read: ({ charge }) => charge.ratePicoUsd },
  { name: 'amount_pico_usd', read: ({ charge }) => charge.amountPicoUsd },
  { name: 'price_id', read: ({ charge }) => charge.priceId },
  { name: 'rate_id', read: ({ charge }) => charge.rateId },
  { name: 'volume_from', read: ({ charge }) => charge.volumeFrom },
  { name: 'reverses', read: (row) => row.reverses },
  { name: 'recorded_at', read: (row) => row.recordedAt },
];

export const chargeRowsOf = ({ event, pricing, recordedAt }: EventRow): ChargeRow[] =>
  pricing.charges.map((charge, index) => ({
    attemptId: event.attemptId,
    revision: event.revision,
    number: index + 1,
    adjustment: 0,
    tenantId: event.tenantId,
    charge,
    reverses: null,
    recordedAt,
  }));
