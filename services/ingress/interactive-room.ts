import type { DispatchHeader } from '#contracts/dispatch';
import type { RateLimiter } from '#domain/ports';
import type { TenantRouting } from '#domain/tenant-routing';
import { estimateOutputTokens } from '#domain/token-estimate';

/** About four bytes of a prompt are a token; good enough to keep a key near its limit. */
const BYTES_PER_TOKEN = 4;
/** What an answer is taken to be long where the client sets no limit; settled by what it was. */
const OUTPUT_TOKENS_GUESS = 256;

/** What a request is taken to cost under a provider's limits, before anybody has counted. */
export const estimateTokens = (request: { bodyBytes: number; maxOutputTokens: number | null }) => ({
  inputTokens: Math.ceil(request.bodyBytes / BYTES_PER_TOKEN),
  outputTokens: estimateOutputTokens({ ...request, answers: 1 }, OUTPUT_TOKENS_GUESS),
});

/**
 * Room for a request's first attempt: the header to publish, for the target and key that have it. Waits until
 * there is some. Rejects as `RateLimiter.reserve` does, and with the signal's reason.
 */
export const reserveRoom = async (
  limiter: RateLimiter,
  header: DispatchHeader,
  request: {
    routing: TenantRouting;
    tokens: { inputTokens: number; outputTokens: number };
    signal: AbortSignal;
  },
): Promise<DispatchHeader> => {
  const { tenantId, lane, attribution, plan, deadlineAtMs } = header;
  const reservation = await limiter.reserve({
    tenantId,
    lane,
    team: attribution.team ?? null,
    feature: attribution.feature ?? null,
    routing: request.routing,
    plan,
    ...request.tokens,
    deadlineAtMs,
    signal: request.signal,
  });
  return { ...header, step: reservation.step, reservation };
};
