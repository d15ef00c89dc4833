import type { BudgetPeriod } from '#contracts/budget';
import { describeScope, type Budget } from './budget.ts';
import type { BudgetWindow } from './budget-window.ts';
import { FloError } from './errors.ts';
import { encodeUsd } from './money.ts';

/** Where a budget's window stands in the store, in pico-dollars. */
export type BudgetStanding = {
  limitPicoUsd: bigint;
  /** What is recorded, calls of unknown cost at their worst case included. */
  usedPicoUsd: bigint;
  /** What requests under way and their processes hold. */
  leasedPicoUsd: bigint;
};

const PERIODS: Record<BudgetPeriod, string> = {
  day: ' a day',
  week: ' a week',
  month: ' a month',
  total: '',
};

/** Long enough for requests under way to end and be recorded. */
const HELD_RETRY_MS = 1_000;

/**
 * Why a request is refused, naming the budget and when it resets. Where only holds are in the way, the
 * request may come again soon; otherwise not before the window ends.
 */
export const budgetExceeded = (
  budget: Budget,
  window: BudgetWindow,
  { limitPicoUsd, usedPicoUsd, leasedPicoUsd }: BudgetStanding,
  { neededPicoUsd, nowMs }: { neededPicoUsd: bigint; nowMs: number },
): FloError => {
  const onlyHeld = usedPicoUsd + neededPicoUsd <= limitPicoUsd;
  const resets =
    window.endMs === null ? 'It does not reset.' : `It resets at ${new Date(window.endMs).toISOString()}.`;
  const wait = window.endMs === null ? undefined : Math.max(HELD_RETRY_MS, window.endMs - nowMs);
  return new FloError(
    'budget_exceeded',
    `The budget ${budget.id} (${describeScope(budget.scope)}) of ${encodeUsd(limitPicoUsd)} USD${PERIODS[budget.period]} has no room for this request: ${encodeUsd(usedPicoUsd)} are used, ${encodeUsd(leasedPicoUsd)} held by requests under way, and it may cost up to ${encodeUsd(neededPicoUsd)}. ${onlyHeld ? 'Try again when others are done.' : resets}`,
    { retryAfterMs: onlyHeld ? HELD_RETRY_MS : wait },
  );
};
