import { type ErrorCode, type FloError } from '#domain/errors';
import { encodeErrorHeaders } from '../error-headers.ts';
import type { EncodedError } from '../surface.ts';

/** The API's types: https://docs.claude.com/en/api/errors */
const TYPES: Readonly<Record<ErrorCode, string>> = {
  invalid_request: 'invalid_request_error',
  missing_key: 'authentication_error',
  invalid_key: 'authentication_error',
  forbidden: 'permission_error',
  model_not_found: 'not_found_error',
  route_not_found: 'not_found_error',
  conflict: 'invalid_request_error',
  idempotency_mismatch: 'invalid_request_error',
  too_large: 'request_too_large',
  budget_exceeded: 'rate_limit_error',
  model_unpriced: 'permission_error',
  rate_limited: 'rate_limit_error',
  context_length: 'invalid_request_error',
  content_filter: 'invalid_request_error',
  // The client's own key is good; the registered one is not.
  authentication: 'api_error',
  permission: 'api_error',
  upstream_not_found: 'not_found_error',
  rate_limit_requests: 'rate_limit_error',
  rate_limit_tokens: 'rate_limit_error',
  quota: 'rate_limit_error',
  overloaded: 'overloaded_error',
  server: 'api_error',
  connection: 'api_error',
  timeout: 'timeout_error',
  cut_stream: 'api_error',
  malformed_answer: 'api_error',
  cancelled: 'api_error',
  deadline_exceeded: 'timeout_error',
  outcome_unknown: 'api_error',
  queue_full: 'rate_limit_error',
  unavailable: 'overloaded_error',
  storage_full: 'api_error',
  internal: 'api_error',
};

/** The dialect has no field for a code or a field's name, so the message says what must be known. */
const messageOf = ({ code, message, param }: FloError): string => {
  const named = param === undefined || message.includes(param) ? message : `${param}: ${message}`;
  return code !== 'outcome_unknown' || named.includes(code) ? named : `${code}: ${named}`;
};

const encodeBody = (error: FloError, requestId: string) => ({
  type: 'error',
  error: { type: TYPES[error.code], message: messageOf(error) },
  request_id: requestId,
});

export const encodeAnthropicError = (error: FloError, requestId: string): EncodedError => ({
  status: error.status,
  headers: { ...encodeErrorHeaders(error), 'request-id': requestId },
  body: encodeBody(error, requestId),
});

export const encodeAnthropicStreamError = (error: FloError, requestId: string): string =>
  `event: error\ndata: ${JSON.stringify(encodeBody(error, requestId))}\n\n`;
