/**
 * More than any model gives or takes at once. What a caller names beyond it tells nothing of what the request will
 * cost, and must not be counted: in a queue it would stand in the way of all others.
 */
export const ESTIMATED_TOKENS_MAX = 10_000_000;

/** What the answers are taken to be long together; `assumed` where the request sets no bound to one. */
export const estimateOutputTokens = (
  { maxOutputTokens, answers }: { maxOutputTokens: number | null; answers: number },
  assumed: number,
): number => Math.min(ESTIMATED_TOKENS_MAX, (maxOutputTokens ?? assumed) * answers);
