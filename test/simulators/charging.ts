import type { CallRecord, ChargedTokens } from './call-log.ts';
import type { AcceptedPlain, CallContext, Failure, SimulatedProvider } from './provider.ts';
import type { RateLimiter } from './rate-limits.ts';

/** What a call is charged that is answered with one short body. */
export const tokensOfPlain = ({ inputTokens }: AcceptedPlain): ChargedTokens =>
  inputTokens === null ? {} : { input: inputTokens };

/** What counts against a limit of tokens: all but what a cache gave. */
const countAgainstLimit = (tokens: ChargedTokens): number =>
  (tokens.input ?? 0) +
  (tokens.cache_write_5m ?? 0) +
  (tokens.cache_write_1h ?? 0) +
  (tokens.cache_write_other ?? 0) +
  (tokens.output ?? 0);

type LimitedCall = { provider: SimulatedProvider; context: CallContext; record: CallRecord };

/**
 * The refusal of a call over a limit, or null. The tokens of the answer are taken with those of the prompt:
 * nothing here is streamed before it is known.
 */
export const takeFromLimits = (
  limiter: RateLimiter,
  { provider, context, record }: LimitedCall,
  tokens: ChargedTokens,
): Failure | null => {
  if (!limiter.isActive) return null;
  const reading = limiter.take({
    provider: provider.id,
    key: record.credential ?? '',
    tokens: countAgainstLimit(tokens),
    nowMs: context.nowMs,
  });
  context.limits = reading;
  if (reading === null || reading.refused === null) return null;
  record.limitedBy = reading.refused.limit;
  return provider.failureOfLimit(reading.refused, reading, record.model ?? '');
};
