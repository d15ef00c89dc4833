/** What the files of `GET /api/v1/usage/export` look like. */
import { TOKEN_CLASSES } from '#contracts/usage';
import { AUDIO_SECONDS, CACHED_AUDIO } from '#domain/billed-use';
import { encodeCsvLine, type CsvCell } from '#domain/csv';
import { encodeUsd } from '#domain/money';
import type { ExportedAttempt, ExportedCharge } from '#postgres/usage-export';

const text = (value: string | null): CsvCell => (value === null ? null : { text: value });
const number = (value: number | bigint | null | undefined): CsvCell =>
  value === null || value === undefined ? null : { number: String(value) };
const usd = (picoUsd: bigint | null): CsvCell => (picoUsd === null ? null : { number: encodeUsd(picoUsd) });

const encodeAttempt = (attempt: ExportedAttempt) => ({
  attempt_id: attempt.attemptId,
  request_id: attempt.requestId,
  started_at: attempt.startedAt.toISOString(),
  tenant: attempt.tenantId,
  team: attempt.team,
  feature: attempt.feature,
  user: attempt.user,
  tags: attempt.tags,
  api_key: attempt.apiKeyId,
  provider_key: attempt.providerKeyId,
  provider: attempt.provider,
  model: attempt.model,
  served_model: attempt.servedModel,
  requested_model: attempt.requestedModel,
  route: attempt.route,
  lane: attempt.lane,
  surface: attempt.surface,
  attempt: attempt.attemptNumber,
  status: attempt.outcome,
  error_code: attempt.errorCode,
  queue_ms: attempt.queueMs,
  first_token_ms: attempt.firstTokenMs,
  duration_ms: attempt.durationMs,
  usage_source: attempt.usageSource,
  price_tier: attempt.priceTier,
  tokens: {
    ...attempt.tokens,
    ...(attempt.reasoningTokens !== null && { reasoning: attempt.reasoningTokens }),
  },
  pricing: attempt.pricing,
  cost: attempt.costPicoUsd === null ? null : encodeUsd(attempt.costPicoUsd),
  list_cost: attempt.listCostPicoUsd === null ? null : encodeUsd(attempt.listCostPicoUsd),
});

export const encodeNdjsonLine = (attempt: ExportedAttempt): string =>
  `${JSON.stringify(encodeAttempt(attempt))}\n`;

type Column<Row> = { name: string; cell: (row: Row) => CsvCell };

const ATTEMPT_COLUMNS: readonly Column<ExportedAttempt>[] = [
  { name: 'attempt_id', cell: (row) => text(row.attemptId) },
  { name: 'request_id', cell: (row) => text(row.requestId) },
  { name: 'started_at', cell: (row) => text(row.startedAt.toISOString()) },
  { name: 'tenant', cell: (row) => text(row.tenantId) },
  { name: 'team', cell: (row) => text(row.team) },
  { name: 'feature', cell: (row) => text(row.feature) },
  { name: 'user', cell: (row) => text(row.user) },
  { name: 'tags', cell: (row) => text(JSON.stringify(row.tags)) },
  { name: 'api_key', cell: (row) => text(row.apiKeyId) },
  { name: 'provider_key', cell: (row) => text(row.providerKeyId) },
  { name: 'provider', cell: (row) => text(row.provider) },
  { name: 'model', cell: (row) => text(row.model) },
  { name: 'served_model', cell: (row) => text(row.servedModel) },
  { name: 'requested_model', cell: (row) => text(row.requestedModel) },
  { name: 'route', cell: (row) => text(row.route) },
  { name: 'lane', cell: (row) => text(row.lane) },
  { name: 'surface', cell: (row) => text(row.surface) },
  { name: 'attempt', cell: (row) => number(row.attemptNumber) },
  { name: 'status', cell: (row) => text(row.outcome) },
  { name: 'error_code', cell: (row) => text(row.errorCode) },
  { name: 'queue_ms', cell: (row) => number(row.queueMs) },
  { name: 'first_token_ms', cell: (row) => number(row.firstTokenMs) },
  { name: 'duration_ms', cell: (row) => number(row.durationMs) },
  { name: 'usage_source', cell: (row) => text(row.usageSource) },
  { name: 'price_tier', cell: (row) => text(row.priceTier) },
  ...TOKEN_CLASSES.map((token) => ({
    name: `${token}_tokens`,
    cell: (row: ExportedAttempt) => number(row.tokens[token]),
  })),
  { name: 'reasoning_tokens', cell: (row) => number(row.reasoningTokens) },
  { name: 'pricing', cell: (row) => text(row.pricing) },
  { name: 'cost', cell: (row) => usd(row.costPicoUsd) },
  { name: 'list_cost', cell: (row) => usd(row.listCostPicoUsd) },
];

const HOUR_MS = 3_600_000;

/** `YYYY-MM-DDTHH:mm:ssZ`: its times have no fractions. */
const focusTime = (at: Date): string => at.toISOString().replace('.000Z', 'Z');

const billingMonth = ({ hour }: ExportedCharge, monthsLater: 0 | 1): string =>
  focusTime(new Date(Date.UTC(hour.getUTCFullYear(), hour.getUTCMonth() + monthsLater, 1)));

const skuOf = (row: ExportedCharge): string => `${row.provider}/${row.model}/${row.component}`;

/** What tells one price of a SKU from its others, whatever it comes to and whoever pays it. */
const priceConditionsOf = (row: ExportedCharge): Record<string, string> => ({
  Tier: row.priceTier,
  ...(row.region !== null && row.region !== '' && { Region: row.region }),
  ...(row.inputTotalMin !== null && row.inputTotalMin !== '0' && { InputTokensFrom: row.inputTotalMin }),
  ...(row.quantityFrom !== null && row.quantityFrom !== '0' && { UnitsAfter: row.quantityFrom }),
  ...(row.dayMinuteFrom !== null && { MinuteOfDayFrom: String(row.dayMinuteFrom) }),
});

const labelsOf = (row: ExportedCharge): string =>
  JSON.stringify({
    ...(row.team !== null && { team: row.team }),
    ...(row.feature !== null && { feature: row.feature }),
  });

const unitOf = ({ component }: ExportedCharge): string => {
  if (component === AUDIO_SECONDS) return 'Seconds';
  return component === CACHED_AUDIO || TOKEN_CLASSES.some((token) => token === component)
    ? 'Tokens'
    : 'Units';
};

/**
 * FOCUS 1.2, the columns that apply: https://focus.finops.org/focus-specification/v1-2/. One row for each
 * hour, tenant, provider key, model, tier, component, rate, team and feature. flo2 issues no invoice, so what
 * is billed is what the contract says; unit prices are of one token. A negotiated rate is `Standard` there, as
 * is one by volume. Prices are named by their conditions, which outlast what they come to; the rows of the book
 * and of the agreement that this charge went by are columns of our own. Gone with nulls where the
 * specification allows: availability zones, capacity reservations, commitment discounts, regions.
 */
const FOCUS_COLUMNS: readonly Column<ExportedCharge>[] = [
  { name: 'BilledCost', cell: (row) => usd(row.costPicoUsd) },
  { name: 'BillingAccountId', cell: (row) => text(row.tenantId) },
  { name: 'BillingAccountName', cell: (row) => text(row.tenantName) },
  { name: 'BillingAccountType', cell: () => text('Tenant') },
  { name: 'BillingCurrency', cell: () => text('USD') },
  { name: 'BillingPeriodEnd', cell: (row) => text(billingMonth(row, 1)) },
  { name: 'BillingPeriodStart', cell: (row) => text(billingMonth(row, 0)) },
  { name: 'ChargeCategory', cell: () => text('Usage') },
  { name: 'ChargeClass', cell: () => null },
  { name: 'ChargeDescription', cell: (row) => text(`${row.component} of ${row.provider}/${row.model}`) },
  { name: 'ChargeFrequency', cell: () => text('Usage-Based') },
  {
    name: 'ChargePeriodEnd',
    cell: ({ hour }) => text(focusTime(new Date(hour.getTime() + HOUR_MS))),
  },
  { name: 'ChargePeriodStart', cell: ({ hour }) => text(focusTime(hour)) },
  { name: 'ConsumedQuantity', cell: (row) => number(row.quantity) },
  { name: 'ConsumedUnit', cell: (row) => text(unitOf(row)) },
  { name: 'ContractedCost', cell: (row) => usd(row.costPicoUsd) },
  { name: 'ContractedUnitPrice', cell: (row) => usd(row.ratePicoUsd) },
  { name: 'EffectiveCost', cell: (row) => usd(row.costPicoUsd) },
  { name: 'InvoiceId', cell: () => null },
  { name: 'InvoiceIssuerName', cell: (row) => text(row.payee) },
  { name: 'ListCost', cell: (row) => usd(row.listCostPicoUsd) },
  { name: 'ListUnitPrice', cell: (row) => usd(row.listRatePicoUsd) },
  { name: 'PricingCategory', cell: () => text('Standard') },
  { name: 'PricingCurrency', cell: () => text('USD') },
  { name: 'PricingQuantity', cell: (row) => number(row.quantity) },
  { name: 'PricingUnit', cell: (row) => text(unitOf(row)) },
  { name: 'ProviderName', cell: (row) => text(row.payee) },
  { name: 'PublisherName', cell: (row) => text(row.provider) },
  { name: 'ResourceId', cell: (row) => text(row.model) },
  { name: 'ResourceName', cell: (row) => text(row.model) },
  { name: 'ResourceType', cell: () => text('Model') },
  { name: 'ServiceCategory', cell: () => text('AI and Machine Learning') },
  { name: 'ServiceName', cell: (row) => text(row.provider) },
  { name: 'ServiceSubcategory', cell: () => text('Generative AI') },
  { name: 'SkuId', cell: (row) => text(skuOf(row)) },
  { name: 'SkuMeter', cell: (row) => text(row.component) },
  {
    name: 'SkuPriceDetails',
    cell: (row) => text(JSON.stringify(priceConditionsOf(row))),
  },
  {
    name: 'SkuPriceId',
    cell: (row) => text([skuOf(row), ...Object.values(priceConditionsOf(row))].join('/')),
  },
  { name: 'SubAccountId', cell: (row) => text(row.providerKeyId) },
  { name: 'SubAccountName', cell: (row) => text(row.providerKeyName) },
  { name: 'SubAccountType', cell: () => text('Provider key') },
  { name: 'Tags', cell: (row) => text(labelsOf(row)) },
  { name: 'x_PriceId', cell: (row) => text(row.priceId) },
  { name: 'x_RateId', cell: (row) => text(row.rateId) },
];

const headOf = <Row>(columns: readonly Column<Row>[]): string =>
  encodeCsvLine(columns.map(({ name }) => ({ text: name })));
const lineOf = <Row>(columns: readonly Column<Row>[], row: Row): string =>
  encodeCsvLine(columns.map(({ cell }) => cell(row)));

export const ATTEMPT_CSV_HEAD = headOf(ATTEMPT_COLUMNS);
export const encodeAttemptCsvLine = (attempt: ExportedAttempt): string => lineOf(ATTEMPT_COLUMNS, attempt);
export const FOCUS_CSV_HEAD = headOf(FOCUS_COLUMNS);
export const encodeFocusLine = (charge: ExportedCharge): string => lineOf(FOCUS_COLUMNS, charge);
