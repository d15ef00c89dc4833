import type { BudgetId } from '#contracts/ids';
import { describeScope, type Budget } from './budget.ts';
import { encodeUsd } from './money.ts';

/** Alerts that a use has reached and that were not given yet, as percent of the limit, ascending. */
export const alertsReached = (
  alerts: readonly number[],
  {
    usedPicoUsd,
    limitPicoUsd,
    alertedPercent,
  }: { usedPicoUsd: bigint; limitPicoUsd: bigint; alertedPercent: number },
): number[] =>
  alerts.filter(
    (percent) => percent > alertedPercent && usedPicoUsd * 100n >= limitPicoUsd * BigInt(percent),
  );

export const BUDGET_ALERT_TYPE = 'budget.alert';

/** The `data` of the webhook that tells of an alert. */
export const budgetAlertData = (
  budget: Pick<Budget, 'scope' | 'period' | 'timeZone' | 'limitPicoUsd'> & { id: BudgetId },
  {
    percent,
    usedPicoUsd,
    windowStartMs,
    windowEndMs,
  }: {
    percent: number;
    usedPicoUsd: bigint;
    windowStartMs: number;
    windowEndMs: number | null;
  },
) => ({
  budget_id: budget.id,
  scope: budget.scope,
  description: describeScope(budget.scope),
  period: budget.period,
  time_zone: budget.timeZone,
  window_start: new Date(windowStartMs).toISOString(),
  window_end: windowEndMs === null ? null : new Date(windowEndMs).toISOString(),
  threshold_percent: percent,
  limit: encodeUsd(budget.limitPicoUsd),
  used: encodeUsd(usedPicoUsd),
});
