import type { ErrorCode, FloError } from '#domain/errors';
import { objectOf, textOf, type JsonObject } from '../json-fields.ts';
import type { UpstreamFailure } from '../provider.ts';
import { codeOfStatus, describeUpstreamError, readErrorBody, readRetryAfterMs } from '../upstream-failure.ts';

const QUOTA_CODES = ['insufficient_quota', 'billing_hard_limit_reached', 'billing_not_active'];

const codeOfRateLimit = (type: string, message: string): ErrorCode => {
  if (type === 'requests') return 'rate_limit_requests';
  return type === 'tokens' || /\btokens?\b|\bTP[MD]\b/i.test(message)
    ? 'rate_limit_tokens'
    : 'rate_limit_requests';
};

const codeOf = (status: number, error: JsonObject): ErrorCode => {
  const code = textOf(error['code']) ?? '';
  const type = textOf(error['type']) ?? '';
  const message = textOf(error['message']) ?? '';
  // With these a code of a model or a limit is about what the key may do.
  if (status === 401 || status === 403) return codeOfStatus(status);
  if (QUOTA_CODES.includes(code) || QUOTA_CODES.includes(type)) return 'quota';
  if (status === 429) return codeOfRateLimit(type, message);
  if (code === 'server_is_overloaded' || type === 'service_unavailable_error') return 'overloaded';
  if (code === 'context_length_exceeded') return 'context_length';
  if (code === 'content_filter' || code === 'content_policy_violation') return 'content_filter';
  if (code === 'invalid_api_key') return 'authentication';
  if (code === 'model_not_found') return 'upstream_not_found';
  return codeOfStatus(status);
};

/** An error answer: `{"error": {message, type, param, code}}`, `{"error": message}`, or anything else. */
export const decodeOpenaiFailure = (failure: UpstreamFailure): FloError => {
  const value = readErrorBody(failure.body)?.['error'];
  const error = objectOf(value);
  const message = textOf(error['message']) ?? textOf(value);
  return describeUpstreamError(codeOf(failure.status, error), message, {
    status: failure.status,
    param: textOf(error['param']),
    retryAfterMs: readRetryAfterMs(failure),
  });
};

/** The status that an error without one would have had. */
const statusOf = (error: JsonObject): number => {
  if (error['code'] === 'rate_limit_exceeded') return 429;
  return error['type'] === 'invalid_request_error' ? 400 : 500;
};

/** An error that comes with status 200: as an event of a stream, or in place of an answer. */
export const decodeOpenaiError = (value: unknown): FloError => {
  const error = objectOf(value);
  const code = codeOf(statusOf(error), error);
  return describeUpstreamError(code, textOf(error['message']) ?? textOf(value), { param: null });
};
