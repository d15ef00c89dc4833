import type { AnswerHead } from '#contracts/attempt-line';
import type { DispatchHeader, PlanStep } from '#contracts/dispatch';
import type { Translation } from '#runtime/translation';

/** What a client is told of an answer beside its body. */
export const answerHeadOf = (
  answer: Pick<AnswerHead, 'status' | 'contentType' | 'upstreamRequestId'>,
  attempt: { header: DispatchHeader; step: PlanStep; translation: Translation; grantedAtMs: number },
): AnswerHead => ({
  ...answer,
  droppedParams: [...attempt.translation.droppedParams],
  provider: attempt.step.provider,
  model: attempt.step.model,
  queueMs: Math.max(0, attempt.grantedAtMs - attempt.header.admittedAtMs),
});
