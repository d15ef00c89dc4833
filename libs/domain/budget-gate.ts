import type { AttemptHold } from '#contracts/budget';
import type { BudgetId, TenantId } from '#contracts/ids';
import type { Budget } from './budget.ts';
import type { BudgetedRequest } from './budget-claim.ts';
import type { BudgetStanding } from './budget-refusal.ts';

export type LeaseAsk = {
  tenantId: TenantId;
  budgetId: BudgetId;
  windowStartMs: number;
  leaseId: string;
  /** Whether the store knows the lease already. */
  isLeased: boolean;
  /** The smallest hold that waits, 0 when none does: with less room than this nothing is leased. */
  neededPicoUsd: bigint;
  /** All that waits, leased as far as there is room. */
  demandedPicoUsd: bigint;
  /** What to lease ahead of need; the store gives no more than a small part of the room. */
  aheadPicoUsd: bigint;
  holdsUntilMs: number;
};
export type LeaseAnswer = BudgetStanding & { leaseId: string; leasedNowPicoUsd: bigint };

/** Where budgets are kept. All reject with the driver's error when the store is down. */
export type BudgetLeases = {
  loadBudgets: (tenantId: TenantId) => Promise<Budget[]>;
  /** All in one statement; a budget that was deleted has no answer. */
  lease: (owner: string, asks: readonly LeaseAsk[]) => Promise<LeaseAnswer[]>;
  giveBack: (returns: readonly { leaseId: string; picoUsd: bigint }[]) => Promise<void>;
};

/** A request's holds. `end` says once how many of its attempts leave an event. */
export type BudgetHold = { holds: AttemptHold[]; end: (calls: number) => void };

export type BudgetGate = {
  /**
   * Holds the worst case of a request under all of its budgets, or under none. Rejects with `FloError`
   * `budget_exceeded`, `model_unpriced`, or `unavailable` where a budget cannot be asked.
   */
  hold: (request: BudgetedRequest) => Promise<BudgetHold>;
};
