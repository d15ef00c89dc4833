/** Reads what providers' headers say of the limits of a key. */
import type { RateLimitReading } from '#contracts/rate-limit-reading';
import type { UpstreamHeaders } from './provider.ts';
import { readHeader } from './upstream-failure.ts';

export type RateLimitUnit = RateLimitReading['unit'];

/** One limit by the names of its headers. */
export type RateLimitHeaders = {
  unit: RateLimitUnit;
  /** The span it is for; null where the provider does not say. */
  windowMs: number | null;
  limit: string;
  remaining: string;
  reset?: string;
};

const RESET_MS_MAX = 32 * 24 * 60 * 60 * 1_000;
/** From here on a bare number is a time and not a span: 2001 in Unix milliseconds, or in seconds. */
const UNIX_MS_MIN = 1e12;
const UNIX_S_MIN = 1e9;

const MS_OF_UNIT: Readonly<Record<string, number>> = {
  ms: 1,
  s: 1_000,
  m: 60_000,
  h: 3_600_000,
  d: 86_400_000,
};
const DURATION = /^(?:\d+(?:\.\d+)?(?:ms|[smhd]))+$/;
const DURATION_PIECE = /(\d+(?:\.\d+)?)(ms|[smhd])/g;

/**
 * When a limit is whole again, in Unix milliseconds: from a duration (`6m0s`, `10.3s`, `26ms`), a number of
 * seconds, a Unix time in seconds or milliseconds, or an RFC 3339 time. Null for anything else.
 */
export const readResetAtMs = (text: string | null, nowMs: number): number | null => {
  if (text === null || text === '' || text.length > 64) return null;
  const bounded = (afterMs: number): number | null =>
    Number.isFinite(afterMs) ? Math.ceil(nowMs + Math.min(Math.max(afterMs, 0), RESET_MS_MAX)) : null;
  if (DURATION.test(text)) {
    const pieces = [...text.matchAll(DURATION_PIECE)];
    return bounded(
      pieces.reduce((sum, [, count, unit]) => sum + Number(count) * (MS_OF_UNIT[unit ?? ''] ?? 0), 0),
    );
  }
  const number = Number(text);
  if (Number.isNaN(number)) return bounded(Date.parse(text) - nowMs);
  if (number < 0) return null;
  if (number >= UNIX_MS_MIN) return bounded(number - nowMs);
  return bounded(number >= UNIX_S_MIN ? number * 1_000 - nowMs : number * 1_000);
};

/** A whole number that is none: Azure answers −1, others more than a number can hold. */
const readCount = (text: string | null): number | null => {
  if (text === null || text.trim() === '') return null;
  const count = Math.floor(Number(text));
  return Number.isSafeInteger(count) && count >= 0 ? count : null;
};

/** Those of the limits that the headers say something of. A limit of zero is none: Azure says so of what it does not count. */
export const readRateLimitHeaders = (
  named: readonly RateLimitHeaders[],
  headers: UpstreamHeaders,
  nowMs: number,
): RateLimitReading[] =>
  named.flatMap(({ unit, windowMs, ...names }) => {
    const limit = readCount(readHeader(headers, names.limit));
    const remaining = readCount(readHeader(headers, names.remaining));
    if ((limit === null && remaining === null) || limit === 0) return [];
    const reset = names.reset === undefined ? null : readHeader(headers, names.reset);
    return [{ unit, windowMs, limit, remaining, resetAtMs: readResetAtMs(reset, nowMs) }];
  });
