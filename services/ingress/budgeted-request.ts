import type { DispatchHeader } from '#contracts/dispatch';
import { answersAskedBy } from '#domain/answers-asked';
import type { BudgetedRequest } from '#domain/budget-claim';
import { estimateInputTokens } from '#domain/budget-estimate';
import type { ClientRequest, Surface } from '#surfaces/surface';

/** What a request's budgets have to know of it. */
export const budgetedRequest = (
  header: DispatchHeader,
  request: { surface: Surface; client: ClientRequest; parsedBody: unknown; bodyBytes: number },
): BudgetedRequest => ({
  tenantId: header.tenantId,
  apiKeyId: header.apiKeyId,
  attribution: header.attribution,
  operation: request.surface.operation,
  plan: header.plan,
  inputTokens: estimateInputTokens(request.bodyBytes),
  maxOutputTokens: request.client.maxOutputTokens,
  answers: answersAskedBy(request.parsedBody),
  admittedAtMs: header.admittedAtMs,
  deadlineAtMs: header.deadlineAtMs,
});
