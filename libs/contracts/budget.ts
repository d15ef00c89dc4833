/** Budgets as clients write them, and what of them travels with a request. */
import { z } from 'zod';
import { LABEL_LENGTH_MAX } from './attribution.ts';
import { apiKeyId, budgetId } from './ids.ts';
import { timeZone } from './time-zone.ts';
import { providerId } from './vocabulary.ts';
import { webhookTarget } from './webhook.ts';

/** Of one tenant; all of them are held in memory where requests are admitted. */
export const BUDGETS_MAX = 1_000;
/** Budgets that one request may fall under; their holds travel with it. */
export const BUDGETS_PER_REQUEST_MAX = 32;
export const ASSUMED_OUTPUT_TOKENS_DEFAULT = 4_096;

export const BUDGET_PERIODS = ['day', 'week', 'month', 'total'] as const;
export const budgetPeriod = z.enum(BUDGET_PERIODS);
export type BudgetPeriod = z.infer<typeof budgetPeriod>;

const ALERTS_MAX = 10;
const ALERT_PERCENT_MAX = 1_000;

const withoutNul = (text: string): boolean => !text.includes('\0') && text.isWellFormed();
const label = z.string().min(1).max(LABEL_LENGTH_MAX).refine(withoutNul, 'must be text without NUL');

/** Every field narrows; with none the budget is the whole tenant's. */
export const budgetScope = z.strictObject({
  team: label.optional(),
  feature: label.optional(),
  user: label.optional(),
  api_key: apiKeyId.optional(),
  provider: providerId.optional(),
  /** A glob over the model's name at the provider. */
  model: label.optional(),
});
export type BudgetScope = z.infer<typeof budgetScope>;

const settings = {
  /** USD, at most nine digits before the point: a tenant who needs more needs no budget. */
  limit: z
    .string()
    .regex(/^\d{1,9}(?:\.\d{1,12})?$/, 'must be decimal text in USD like "250.00", at most 12 places'),
  mode: z.enum(['enforce', 'warn']),
  alerts: z
    .array(z.int().min(1).max(ALERT_PERCENT_MAX))
    .max(ALERTS_MAX)
    .transform((percents) => [...new Set(percents)].toSorted((a, b) => a - b)),
  /** What happens with a request for a model without a price. */
  on_unpriced: z.enum(['allow', 'refuse']),
  /** Output that is held for a request which bounds its own by nothing. */
  assumed_output_tokens: z.int().min(1).max(1_000_000),
};

export const budgetBody = z.strictObject({
  scope: budgetScope.default({}),
  period: budgetPeriod,
  time_zone: timeZone.default('UTC'),
  limit: settings.limit,
  mode: settings.mode.default('enforce'),
  alerts: settings.alerts.default([]),
  on_unpriced: settings.on_unpriced.default('allow'),
  assumed_output_tokens: settings.assumed_output_tokens.default(ASSUMED_OUTPUT_TOKENS_DEFAULT),
  webhook: webhookTarget.nullable().default(null),
});
export type BudgetBody = z.infer<typeof budgetBody>;

/** Scope, period and time zone stay: another budget is another budget. */
export const budgetPatch = z.strictObject({ ...settings, webhook: webhookTarget.nullable() }).partial();
export type BudgetPatch = z.infer<typeof budgetPatch>;

/**
 * What one attempt holds of one budget. It travels with the request and comes back in the attempt's event,
 * by which metering gives the amount back in the transaction that records what it cost.
 */
export const attemptHold = z.object({
  budgetId,
  leaseId: z.string().min(1).max(64),
  /** Pico-dollars, decimal text. */
  amountPicoUsd: z.string().regex(/^\d{1,24}$/),
  /** The budget's window that it is held of, and that the cost counts in; absent in what an older flo2 held. */
  windowStartMs: z.int().optional(),
});
export type AttemptHold = z.infer<typeof attemptHold>;
export const attemptHolds = z.array(attemptHold).max(BUDGETS_PER_REQUEST_MAX);
