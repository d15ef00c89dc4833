import type { FloError } from '#domain/errors';
import { encodeErrorHeaders } from '../error-headers.ts';
import type { EncodedError } from '../surface.ts';

/** The API's error types, by the status the client sees. The lost outcome has no counterpart there. */
const typeOf = ({ code, status }: FloError): string => {
  if (code === 'outcome_unknown') return 'outcome_unknown';
  if (code === 'overloaded' || code === 'unavailable') return 'overloaded_error';
  switch (status) {
    case 401:
      return 'authentication_error';
    case 403:
      return 'permission_error';
    case 404:
      return 'not_found_error';
    case 413:
      return 'request_too_large';
    case 429:
      return 'rate_limit_error';
    case 504:
      return 'timeout_error';
    default:
      return status < 500 ? 'invalid_request_error' : 'api_error';
  }
};

const encodeBody = (error: FloError, requestId: string) => ({
  type: 'error',
  error: { type: typeOf(error), message: error.message },
  request_id: requestId,
});

export const encodeAnthropicError = (error: FloError, requestId: string): EncodedError => ({
  status: error.status,
  headers: { ...encodeErrorHeaders(error), 'request-id': requestId },
  body: encodeBody(error, requestId),
});

export const encodeAnthropicStreamError = (error: FloError, requestId: string): string =>
  `event: error\ndata: ${JSON.stringify(encodeBody(error, requestId))}\n\n`;
