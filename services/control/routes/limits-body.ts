import type { ApiKeyPatch } from '#contracts/control-plane';
import type { ApiKeyLimits } from '#domain/api-key';

type LimitsBody = NonNullable<ApiKeyPatch['limits']>;

/** Limits as the control plane takes and shows them, of API keys and of provider keys. */
export const encodeLimits = (limits: ApiKeyLimits) => ({
  requests_per_minute: limits.requestsPerMinute ?? null,
  tokens_per_minute: limits.tokensPerMinute ?? null,
  concurrency: limits.concurrency ?? null,
});

export const decodeLimits = (limits: LimitsBody): ApiKeyLimits => ({
  requestsPerMinute: limits.requests_per_minute,
  tokensPerMinute: limits.tokens_per_minute,
  concurrency: limits.concurrency,
});
