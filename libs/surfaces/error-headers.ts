import type { FloError } from '#domain/errors';

/** Headers by which the official SDKs decide whether and when to try again. */
export const encodeErrorHeaders = (error: FloError): Record<string, string> => ({
  ...(error.retryAfterMs !== undefined && {
    'retry-after': String(Math.ceil(error.retryAfterMs / 1_000)),
    'retry-after-ms': String(error.retryAfterMs),
  }),
  ...(error.code === 'outcome_unknown' && { 'x-should-retry': 'false' }),
});
