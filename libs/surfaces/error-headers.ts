import type { FloError } from '#domain/errors';

/** A client that tries again within this may find room; one told to wait longer should not try by itself. */
const RETRY_SOON_MS = 60_000;

const isFinal = ({ code, retryAfterMs }: FloError): boolean =>
  code === 'outcome_unknown' ||
  code === 'storage_full' ||
  (code === 'budget_exceeded' && (retryAfterMs === undefined || retryAfterMs > RETRY_SOON_MS));

/** Headers by which the official SDKs decide whether and when to try again. */
export const encodeErrorHeaders = (error: FloError): Record<string, string> => ({
  ...(error.retryAfterMs !== undefined && {
    'retry-after': String(Math.ceil(error.retryAfterMs / 1_000)),
    'retry-after-ms': String(error.retryAfterMs),
  }),
  ...(isFinal(error) && { 'x-should-retry': 'false' }),
});
