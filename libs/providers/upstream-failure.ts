/** What the error answers of all providers have in common. */
import { FloError, type ErrorCode } from '#domain/errors';
import { isObject, type JsonObject } from './json-fields.ts';
import type { UpstreamFailure, UpstreamHeaders } from './provider.ts';

const MESSAGE_LENGTH_MAX = 1_000;
const PARAM_LENGTH_MAX = 200;
const RETRY_AFTER_MS_MAX = 24 * 60 * 60 * 1_000;
/** Keys of the known providers, masked or not, and anything long enough to be one. */
const KEY_LIKE =
  /\bBearer\s+\S+|\b(?:sk|pk|gsk|xai)[-_][\w*.-]{4,}|\bAIza[\w-]{4,}|\b[\w-]{32,}|[\w-]{0,31}\*{3,}[\w*-]*/gi;

export const readHeader = (headers: UpstreamHeaders, name: string): string | null => {
  const value = headers[name];
  return (Array.isArray(value) ? value[0] : value) ?? null;
};

/** The body as an object; null for HTML, half a JSON or nothing. */
export const readErrorBody = (body: Uint8Array): JsonObject | null => {
  try {
    const value: unknown = JSON.parse(Buffer.from(body).toString('utf8'));
    return isObject(value) ? value : null;
  } catch {
    return null;
  }
};

const boundWait = (milliseconds: number): number => Math.min(Math.ceil(milliseconds), RETRY_AFTER_MS_MAX);

/**
 * How long the provider asks to wait, a day at most: `retry-after-ms`, or `retry-after` in seconds or as a
 * date (RFC 9110).
 */
export const readRetryAfterMs = ({ headers, nowMs }: UpstreamFailure): number | undefined => {
  const milliseconds = Number(readHeader(headers, 'retry-after-ms') || Number.NaN);
  if (milliseconds >= 0) return boundWait(milliseconds);
  const text = readHeader(headers, 'retry-after');
  if (text === null || text === '') return undefined;
  const seconds = Number(text);
  if (!Number.isNaN(seconds)) return seconds >= 0 ? boundWait(seconds * 1_000) : undefined;
  const atMs = Date.parse(text);
  return Number.isNaN(atMs) ? undefined : boundWait(Math.max(0, atMs - nowMs));
};

/** The code a status alone stands for. `timeout` is none of them: it is for a limit of ours that passed. */
export const codeOfStatus = (status: number): ErrorCode => {
  switch (status) {
    case 401:
      return 'authentication';
    case 402:
      return 'quota';
    case 403:
      return 'permission';
    case 404:
      return 'upstream_not_found';
    case 408:
      return 'server';
    case 413:
      return 'too_large';
    case 429:
      return 'rate_limit_requests';
    case 503:
    case 529:
      return 'overloaded';
    default:
      return status >= 400 && status < 500 ? 'invalid_request' : 'server';
  }
};

/** A provider's sentences about keys may hold parts of one, so these are ours. */
const OWN_SENTENCES: Partial<Record<ErrorCode, string>> = {
  authentication: 'The provider rejected the registered key. Rotate it, or register another.',
  permission: 'The provider does not let the registered key do this.',
};

const tellable = (text: string, lengthMax: number): string =>
  text.replaceAll(KEY_LIKE, '[redacted]').slice(0, lengthMax).toWellFormed();

/** The error to tell: the provider's own words where they may be told, bounded and without keys. */
export const describeUpstreamError = (
  code: ErrorCode,
  upstreamMessage: string | null,
  details: { status?: number; param?: string | null; retryAfterMs?: number | undefined } = {},
): FloError => {
  const { status, param, retryAfterMs } = details;
  const told =
    OWN_SENTENCES[code] ??
    (upstreamMessage === null || upstreamMessage.trim() === ''
      ? `The provider answered ${status ?? 'with an error'} and did not say why.`
      : tellable(upstreamMessage, MESSAGE_LENGTH_MAX));
  return new FloError(code, told, {
    upstreamStatus: status,
    param: param ? tellable(param, PARAM_LENGTH_MAX) : undefined,
    retryAfterMs,
  });
};
