import type { RateLimitHeaders } from '../rate-limits.ts';

const MINUTE_MS = 60_000;

/** https://docs.claude.com/en/api/rate-limits#response-headers; `tokens` is the tightest that holds. */
export const ANTHROPIC_RATE_LIMIT_HEADERS: readonly RateLimitHeaders[] = (
  [
    ['requests', 'requests'],
    ['tokens', 'tokens'],
    ['input_tokens', 'input-tokens'],
    ['output_tokens', 'output-tokens'],
  ] as const
).map(([unit, name]) => ({
  unit,
  windowMs: MINUTE_MS,
  limit: `anthropic-ratelimit-${name}-limit`,
  remaining: `anthropic-ratelimit-${name}-remaining`,
  reset: `anthropic-ratelimit-${name}-reset`,
}));
