import { BUDGETS_PER_REQUEST_MAX } from '#contracts/budget';
import type { RequestPlan } from '#contracts/dispatch';
import type { TenantId } from '#contracts/ids';
import type { Operation } from '#contracts/vocabulary';
import {
  coversRequest,
  coversTarget,
  describeScope,
  type Budget,
  type RequestFacts,
  type TargetFacts,
} from './budget.ts';
import { worstCaseOf, type TargetPrices } from './budget-estimate.ts';
import { FloError } from './errors.ts';

export type BudgetedRequest = RequestFacts & {
  tenantId: TenantId;
  operation: Operation;
  plan: RequestPlan;
  inputTokens: number;
  /** The request's own bound on one answer, null where it has none. */
  maxOutputTokens: number | null;
  /** How many answers it asks for at once. */
  answers: number;
  admittedAtMs: number;
  deadlineAtMs: number;
};

/** What a request needs of a budget: `attempts` times the worst case of one. */
export type BudgetClaim = { budget: Budget; attemptPicoUsd: bigint; attempts: number };

/** An embedding has no tokens out, and providers count tokens for nothing. */
const outputTokensOf = (request: BudgetedRequest, budget: Budget): number => {
  if (request.operation !== 'chat') return 0;
  return (request.maxOutputTokens ?? budget.assumedOutputTokens) * request.answers;
};

const refuseUnpriced = (budget: Budget, { provider, model }: TargetFacts): never => {
  throw new FloError(
    'model_unpriced',
    `There is no price for ${provider}/${model.slice(0, 100)}, and the budget ${budget.id} (${describeScope(budget.scope)}) refuses what it cannot price. Use a model with a price, or let the budget allow such models.`,
    { param: 'model' },
  );
};

/** The dearest of the targets that the budget covers: which of them an attempt will go to is not known yet. */
const attemptWorstCase = (
  budget: Budget,
  request: BudgetedRequest,
  pricesOf: (target: TargetFacts) => TargetPrices,
): bigint => {
  const use = { inputTokens: request.inputTokens, outputTokens: outputTokensOf(request, budget) };
  let most = 0n;
  for (const target of request.plan.steps) {
    if (!coversTarget(budget, target)) continue;
    const worst = worstCaseOf(pricesOf(target), use);
    if (worst.kind === 'priced') most = worst.picoUsd > most ? worst.picoUsd : most;
    else if (budget.onUnpriced === 'refuse') refuseUnpriced(budget, target);
  }
  return most;
};

/**
 * What a request has to hold, budget by budget. Throws `FloError`: `model_unpriced` where a budget refuses
 * what it cannot price, `conflict` where the request falls under more budgets than may travel with it.
 */
export const claimsOf = (
  request: BudgetedRequest,
  budgets: readonly Budget[],
  pricesOf: (target: TargetFacts) => TargetPrices,
): BudgetClaim[] => {
  if (request.operation === 'token_count') return [];
  const claims: BudgetClaim[] = [];
  for (const budget of budgets) {
    if (budget.mode !== 'enforce' || !coversRequest(budget, request)) continue;
    const attemptPicoUsd = attemptWorstCase(budget, request, pricesOf);
    if (attemptPicoUsd > 0n) claims.push({ budget, attemptPicoUsd, attempts: request.plan.maxAttempts });
  }
  if (claims.length > BUDGETS_PER_REQUEST_MAX) {
    throw new FloError(
      'conflict',
      `The request falls under ${claims.length} enforced budgets and at most ${BUDGETS_PER_REQUEST_MAX} can be held: let fewer of them cover it.`,
    );
  }
  return claims;
};
