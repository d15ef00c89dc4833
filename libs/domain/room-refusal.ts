import { FloError } from './errors.ts';
import type { KeyTrouble } from './key-health.ts';
import type { Obstacle } from './rate-limit-bucket.ts';

const RETRY_AFTER_MIN_MS = 1_000;

/** What to tell who cannot have room in time, with how long it would have been. */
export const lateError = ({ of, waitMs }: Obstacle): FloError => {
  const retryAfterMs = Math.max(RETRY_AFTER_MIN_MS, Math.ceil(waitMs));
  const seconds = Math.ceil(retryAfterMs / 1_000);
  switch (of) {
    case 'trouble':
      return new FloError(
        'overloaded',
        `The provider failed again and again; it is asked again in ${seconds} s.`,
        { retryAfterMs },
      );
    case 'repeats':
      return new FloError('overloaded', 'The provider failed, and as many calls were repeated as may be.', {
        retryAfterMs,
      });
    case 'tokens':
      return new FloError(
        'rate_limit_tokens',
        `The provider's token limit has room in about ${seconds} s, after this request's deadline.`,
        { retryAfterMs },
      );
    case 'requests':
    case 'concurrency':
      return new FloError(
        'rate_limit_requests',
        `The provider's request limit has room in about ${seconds} s, after this request's deadline.`,
        { retryAfterMs },
      );
  }
};

/** What to tell where no key of the plan may be used. */
export const unusableError = (troubles: readonly KeyTrouble[], nowMs: number): FloError => {
  const parked = troubles.filter(({ reason }) => reason === 'parked');
  if (parked.length === 0) {
    return new FloError(
      'authentication',
      'The provider rejected the registered key. Rotate it, or register another.',
    );
  }
  const soonestMs = Math.min(...parked.map(({ probeAtMs }) => probeAtMs));
  return new FloError('quota', 'The provider account’s quota or credit is used up.', {
    retryAfterMs: Math.max(RETRY_AFTER_MIN_MS, soonestMs - nowMs),
  });
};
