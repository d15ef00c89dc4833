import type { ErrorCode, FloError } from '#domain/errors';
import { isObject, listOf, objectOf, textOf, type JsonObject } from '../json-fields.ts';
import type { UpstreamFailure } from '../provider.ts';
import { readResetAtMs } from '../rate-limits.ts';
import { codeOfStatus, describeUpstreamError, readErrorBody, readRetryAfterMs } from '../upstream-failure.ts';

type Told = { status: number; message: string | null; error: JsonObject };

/** `{"error": {code, message, status, details}}`; a stream asked for as an array has it in one. */
const readTold = (body: unknown, status: number | null): Told => {
  const first = Array.isArray(body) ? objectOf(body[0]) : objectOf(body);
  const error = objectOf(first['error']);
  const code = error['code'];
  return {
    status: status ?? (typeof code === 'number' ? code : 500),
    message: textOf(error['message']),
    error,
  };
};

const detailsOf = (error: JsonObject, type: string): JsonObject[] =>
  listOf(error['details'])
    .map(objectOf)
    .filter((detail) => textOf(detail['@type'])?.endsWith(`.${type}`) === true);

const reasonOf = (error: JsonObject): string =>
  detailsOf(error, 'ErrorInfo')
    .map(({ reason }) => textOf(reason) ?? '')
    .join(' ');

/** `RetryInfo` says how long to wait; the message says it more exactly, and only for people. */
const readRetryDelayMs = (error: JsonObject): number | undefined => {
  const delay = detailsOf(error, 'RetryInfo').map(({ retryDelay }) => textOf(retryDelay))[0] ?? null;
  return readResetAtMs(delay, 0) ?? undefined;
};

const quotasOf = (error: JsonObject): string =>
  [
    ...detailsOf(error, 'QuotaFailure').flatMap(({ violations }) =>
      listOf(violations).map((violation) => {
        const { quotaId, quotaMetric } = objectOf(violation);
        return `${textOf(quotaId) ?? ''} ${textOf(quotaMetric) ?? ''}`;
      }),
    ),
    ...detailsOf(error, 'ErrorInfo').map(({ metadata }) => textOf(objectOf(metadata)['quota_limit']) ?? ''),
  ].join(' ');

/** A quota of a day or a month is used up for as long; one of a minute is a rate. */
const codeOfExhausted = ({ error, message }: Told): ErrorCode => {
  const quotas = quotasOf(error);
  if (/PerDay|PerMonth|per_day/i.test(quotas)) return 'quota';
  const told = quotas.trim() === '' ? (message ?? '') : quotas;
  if (/billing|credits? (?:are|is) (?:depleted|exhausted)|spend/i.test(told)) return 'quota';
  return /token/i.test(told) ? 'rate_limit_tokens' : 'rate_limit_requests';
};

const OVER_THE_WINDOW = /input token count.{0,80}exceeds the maximum|exceeds the maximum number of tokens/i;

const codeOf = (told: Told): ErrorCode => {
  const { status, message, error } = told;
  const reason = reasonOf(error);
  if (reason.includes('API_KEY_INVALID') || error['status'] === 'UNAUTHENTICATED') return 'authentication';
  if (status === 429) return codeOfExhausted(told);
  if (OVER_THE_WINDOW.test(message ?? '')) return 'context_length';
  if (status === 400 && error['status'] === 'FAILED_PRECONDITION') return 'permission';
  // The call took longer than the server allows.
  if (status === 504) return 'server';
  return codeOfStatus(status);
};

const describe = (told: Told, retryAfterMs: number | undefined, status?: number): FloError =>
  describeUpstreamError(codeOf(told), told.message, {
    ...(status !== undefined && { status }),
    retryAfterMs: retryAfterMs ?? readRetryDelayMs(told.error),
  });

/** An error answer, or anything else with an error's status. */
export const decodeGeminiFailure = (failure: UpstreamFailure): FloError => {
  const body = readErrorBody(failure.body) ?? readErrorList(failure.body);
  return describe(readTold(body, failure.status), readRetryAfterMs(failure), failure.status);
};

const readErrorList = (body: Uint8Array): unknown => {
  try {
    return JSON.parse(Buffer.from(body).toString('utf8'));
  } catch {
    return null;
  }
};

/** An error that comes with status 200: as an event of a stream, or in place of an answer. */
export const decodeGeminiError = (body: JsonObject): FloError => describe(readTold(body, null), undefined);

export const hasFailed = (body: JsonObject): boolean => isObject(body['error']);
