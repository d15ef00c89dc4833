import type { ErrorCode, FloError } from '#domain/errors';
import { encodeErrorHeaders } from '../error-headers.ts';
import type { EncodedError } from '../surface.ts';

/** Codes that clients of the API know; every other one is the catalogue's. */
const CODES: Partial<Record<ErrorCode, string>> = {
  missing_key: 'invalid_api_key',
  invalid_key: 'invalid_api_key',
  upstream_not_found: 'model_not_found',
  rate_limited: 'rate_limit_exceeded',
  rate_limit_requests: 'rate_limit_exceeded',
  rate_limit_tokens: 'rate_limit_exceeded',
  quota: 'insufficient_quota',
  budget_exceeded: 'insufficient_quota',
  context_length: 'context_length_exceeded',
};

/** The API's `type`, by the status the client sees. */
const typeOf = (status: number): string => {
  switch (status) {
    case 401:
      return 'authentication_error';
    case 403:
      return 'permission_error';
    case 404:
      return 'not_found_error';
    case 429:
      return 'rate_limit_error';
    default:
      return status < 500 ? 'invalid_request_error' : 'server_error';
  }
};

export const encodeOpenaiErrorBody = (error: FloError, requestId: string) => ({
  error: {
    message: error.message,
    type: typeOf(error.status),
    param: error.param ?? null,
    code: CODES[error.code] ?? error.code,
    request_id: requestId,
  },
});

export const encodeOpenaiError = (error: FloError, requestId: string): EncodedError => ({
  status: error.status,
  headers: { ...encodeErrorHeaders(error), 'x-request-id': requestId },
  body: encodeOpenaiErrorBody(error, requestId),
});

export const encodeOpenaiStreamError = (error: FloError, requestId: string): string =>
  `data: ${JSON.stringify(encodeOpenaiErrorBody(error, requestId))}\n\n`;
