import type { DispatchHeader } from '#contracts/dispatch';
import type { BudgetedRequest } from '#domain/budget-claim';
import { estimateInputTokens } from '#domain/budget-estimate';
import type { ClientRequest, Surface } from '#surfaces/surface';

/** More than any provider gives at once. */
const ANSWERS_MAX = 128;

const asRecord = (value: unknown): Record<string, unknown> =>
  typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : {};

/** How many answers a request asks for: OpenAI's `n`, Gemini's `generationConfig.candidateCount`. */
const answersOf = (body: unknown): number => {
  const { n, generationConfig } = asRecord(body);
  const asked = n ?? asRecord(generationConfig)['candidateCount'];
  return typeof asked === 'number' && asked >= 1 ? Math.min(Math.ceil(asked), ANSWERS_MAX) : 1;
};

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
  answers: answersOf(request.parsedBody),
  admittedAtMs: header.admittedAtMs,
  deadlineAtMs: header.deadlineAtMs,
});
