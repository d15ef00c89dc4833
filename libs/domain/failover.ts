import type { RequestPlan } from '#contracts/dispatch';
import type { FloError } from './errors.ts';

/** Where a request stands after an attempt ended in an error and nothing has reached the client. */
export type Standing = {
  plan: RequestPlan;
  /** The position of the target just tried. */
  step: number;
  /** Keys of the target that were not used for this request yet. */
  untriedKeys: number;
  /** Upstream attempts the whole request has made. */
  attempts: number;
  /** Attempts of this worker at this target. */
  attemptsAtStep: number;
  nowMs: number;
  deadlineAtMs: number;
  /** In [0, 1). */
  random: number;
};

export type Move =
  | { kind: 'other_key' }
  | { kind: 'retry'; delayMs: number }
  | { kind: 'hand_over'; step: number }
  | { kind: 'give_up' };

/** Attempts at one target, another key's not counted. */
const ATTEMPTS_AT_STEP_MAX = 3;
const BACK_OFF_FIRST_MS = 250;
const BACK_OFF_MAX_MS = 8_000;

/** A longer wait is the client's: it would hold a slot that other requests could use. */
export const IN_PROCESS_WAIT_MAX_MS = 10_000;

/** Half fixed, half random, doubling. */
const backOffMs = (attemptsAtStep: number, random: number): number => {
  const ceiling = Math.min(BACK_OFF_MAX_MS, BACK_OFF_FIRST_MS * 2 ** (attemptsAtStep - 1));
  return Math.round(ceiling / 2 + (ceiling / 2) * random);
};

/** Limits and rejections are a key's own; of a provider that is down every key is as good as the other. */
const isOfTheKey = (error: FloError): boolean =>
  error.retry === 'other_key' || error.code === 'rate_limit_requests' || error.code === 'rate_limit_tokens';

/**
 * What to do next: another key where the error is the key's own, then the next target at once, and only
 * with no target left the same one again, after a wait that honours the provider's.
 */
export const nextMove = (standing: Standing, error: FloError): Move => {
  const { plan, step, untriedKeys, attempts, nowMs, deadlineAtMs } = standing;
  if (error.retry === 'never' || attempts >= plan.maxAttempts) return { kind: 'give_up' };

  if (isOfTheKey(error) && untriedKeys > 0) return { kind: 'other_key' };
  if (step + 1 < plan.steps.length) return { kind: 'hand_over', step: step + 1 };
  if (error.retry !== 'same' || standing.attemptsAtStep >= ATTEMPTS_AT_STEP_MAX) return { kind: 'give_up' };

  const delayMs = Math.max(error.retryAfterMs ?? 0, backOffMs(standing.attemptsAtStep, standing.random));
  if (delayMs > IN_PROCESS_WAIT_MAX_MS || nowMs + delayMs >= deadlineAtMs) return { kind: 'give_up' };
  return { kind: 'retry', delayMs };
};

/**
 * How long the attempt may take to its first byte: the route's own limit, and never more than an equal
 * share of what is left for the targets that are left, so that a silent target leaves time for the next.
 */
export const firstByteBudgetMs = (standing: {
  plan: RequestPlan;
  step: number;
  nowMs: number;
  deadlineAtMs: number;
}): number => {
  const { plan, step, nowMs, deadlineAtMs } = standing;
  const share = Math.max(0, deadlineAtMs - nowMs) / Math.max(1, plan.steps.length - step);
  return Math.floor(Math.min(share, plan.attemptTimeoutMs ?? Number.POSITIVE_INFINITY));
};
