import type { AttemptEvent } from '#contracts/attempt-event';
import type { BudgetId } from '#contracts/ids';
import { coversRequest, coversTarget, type Budget, type RequestFacts, type TargetFacts } from './budget.ts';
import type { WindowClock } from './budget-window.ts';
import type { Pricing } from './price.ts';

/** What the ledger knew of the attempt before: another revision of it, or nothing. */
export type RecordedBefore = 'nothing' | 'presumption' | 'report';

/** What a settlement needs of an attempt. */
export type SettledAttempt = RequestFacts &
  TargetFacts &
  Pick<AttemptEvent, 'attemptId' | 'revision' | 'tenantId' | 'startedAtMs' | 'queueMs' | 'holds'>;

export type SettledEvent = {
  event: SettledAttempt;
  pricing: Pick<Pricing, 'kind' | 'costPicoUsd'>;
  before: RecordedBefore;
};

export type WindowChange = {
  budgetId: BudgetId;
  tenantId: string;
  windowStartMs: number;
  spentPicoUsd: bigint;
  uncertainPicoUsd: bigint;
};

export type Settlement = {
  windows: WindowChange[];
  /** What leases give back, by their ids. */
  releases: Map<string, bigint>;
};

/**
 * The window that an attempt's cost counts in: the one it was held of, else the one of its request's admission. They
 * differ for jobs and lines of batches, which may wait for a day and hold when their turn comes.
 */
export const windowStartMsOf = (
  budget: Budget,
  event: Pick<AttemptEvent, 'startedAtMs' | 'queueMs' | 'holds'>,
  windows: WindowClock,
): number =>
  event.holds.find(({ budgetId }) => budgetId === budget.id)?.windowStartMs ??
  windows.at(budget, event.startedAtMs - event.queueMs).startMs;

export const coversEvent = (budget: Budget, event: RequestFacts & TargetFacts): boolean =>
  coversRequest(budget, event) && coversTarget(budget, event);

/**
 * Whether what the attempt held counts until more is known: nobody said how much was used, or there is no
 * price and the budget takes that for no reason to count nothing.
 */
const isUncertain = (budget: Budget, pricing: SettledEvent['pricing']): boolean =>
  pricing.kind === 'unknown' || (pricing.kind === 'unpriced' && budget.onUnpriced === 'refuse');

/**
 * What newly recorded events change in their tenant's budgets. A cost that nobody knows counts at what was
 * held for it, apart, until it is known: a presumption does, and its report takes that back. Of two revisions
 * of one attempt the holds are given back once, with the first recorded. Budgets may change between the admission and
 * the event: what is spent goes by the budgets of now, what is given back by the holds.
 */
export const settlementOf = (
  events: readonly SettledEvent[],
  budgetsOf: (tenantId: string) => readonly Budget[],
  windows: WindowClock,
): Settlement => {
  const changes = new Map<string, WindowChange>();
  const releases = new Map<string, bigint>();
  for (const { event, pricing, before } of events) {
    if (event.revision === 0 && before === 'report') continue;
    const held = new Map<string, bigint>();
    for (const hold of event.holds) {
      const amount = BigInt(hold.amountPicoUsd);
      held.set(hold.budgetId, amount);
      if (before === 'nothing') releases.set(hold.leaseId, (releases.get(hold.leaseId) ?? 0n) + amount);
    }
    for (const budget of budgetsOf(event.tenantId)) {
      if (!coversEvent(budget, event)) continue;
      const startMs = windowStartMsOf(budget, event, windows);
      const key = `${budget.id} ${startMs}`;
      const change = changes.get(key) ?? {
        budgetId: budget.id,
        tenantId: event.tenantId,
        windowStartMs: startMs,
        spentPicoUsd: 0n,
        uncertainPicoUsd: 0n,
      };
      const worst = held.get(budget.id) ?? 0n;
      change.spentPicoUsd += pricing.costPicoUsd ?? 0n;
      if (isUncertain(budget, pricing)) change.uncertainPicoUsd += worst;
      if (before === 'presumption') change.uncertainPicoUsd -= worst;
      changes.set(key, change);
    }
  }
  return { windows: [...changes.values()], releases };
};
