import type { ErrorCode, FloError } from '#domain/errors';
import { objectOf, textOf, type JsonObject } from '../json-fields.ts';
import type { UpstreamFailure } from '../provider.ts';
import { codeOfStatus, describeUpstreamError, readErrorBody, readRetryAfterMs } from '../upstream-failure.ts';

const codeOf = (status: number, error: JsonObject): ErrorCode => {
  const code = textOf(error['code']) ?? '';
  const type = textOf(error['type']) ?? '';
  const message = textOf(error['message']) ?? '';
  if (code === 'insufficient_quota' || type === 'insufficient_quota') return 'quota';
  if (status === 429) {
    return type === 'tokens' || /tokens per min|\bTPM\b/i.test(message)
      ? 'rate_limit_tokens'
      : 'rate_limit_requests';
  }
  if (code === 'context_length_exceeded') return 'context_length';
  if (code === 'content_filter' || code === 'content_policy_violation') return 'content_filter';
  if (code === 'invalid_api_key') return 'authentication';
  if (code === 'model_not_found') return 'upstream_not_found';
  return codeOfStatus(status);
};

/** An error answer: `{"error": {message, type, param, code}}`, or anything else. */
export const decodeOpenaiFailure = (failure: UpstreamFailure): FloError => {
  const error = objectOf(readErrorBody(failure.body)?.['error']);
  return describeUpstreamError(codeOf(failure.status, error), textOf(error['message']), {
    status: failure.status,
    param: textOf(error['param']),
    retryAfterMs: readRetryAfterMs(failure),
  });
};

/** An error in the middle of a stream, which has no status of its own. */
export const decodeOpenaiStreamError = (value: unknown): FloError => {
  const error = objectOf(value);
  const code = codeOf(textOf(error['code']) === 'rate_limit_exceeded' ? 429 : 500, error);
  return describeUpstreamError(code, textOf(error['message']) ?? textOf(value), { param: null });
};
