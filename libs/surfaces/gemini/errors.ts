import type { ErrorCode, FloError } from '#domain/errors';
import { encodeErrorHeaders } from '../error-headers.ts';
import type { EncodedError, StreamSoFar } from '../surface.ts';

/** The API's words by the status the client sees: https://google.aip.dev/193 */
const STATUS_WORDS: Readonly<Record<number, string>> = {
  400: 'INVALID_ARGUMENT',
  401: 'UNAUTHENTICATED',
  403: 'PERMISSION_DENIED',
  404: 'NOT_FOUND',
  409: 'ABORTED',
  413: 'INVALID_ARGUMENT',
  429: 'RESOURCE_EXHAUSTED',
  499: 'CANCELLED',
  500: 'INTERNAL',
  502: 'UNAVAILABLE',
  503: 'UNAVAILABLE',
  504: 'DEADLINE_EXCEEDED',
  507: 'RESOURCE_EXHAUSTED',
};

/** Reasons that clients of the API know; every other one is the catalogue's. */
const REASONS: Partial<Record<ErrorCode, string>> = {
  missing_key: 'API_KEY_INVALID',
  invalid_key: 'API_KEY_INVALID',
};

const DETAIL = 'type.googleapis.com/google.rpc.';

const encodeBody = ({ code, status, message, param, retryAfterMs }: FloError, requestId: string) => ({
  error: {
    code: status,
    message,
    status: STATUS_WORDS[status] ?? 'UNKNOWN',
    details: [
      {
        '@type': `${DETAIL}ErrorInfo`,
        reason: REASONS[code] ?? code.toUpperCase(),
        domain: 'flo2',
        metadata: { request_id: requestId },
      },
      ...(param === undefined
        ? []
        : [{ '@type': `${DETAIL}BadRequest`, fieldViolations: [{ field: param, description: message }] }]),
      ...(retryAfterMs === undefined
        ? []
        : [{ '@type': `${DETAIL}RetryInfo`, retryDelay: `${retryAfterMs / 1_000}s` }]),
    ],
  },
});

export const encodeGeminiError = (error: FloError, requestId: string): EncodedError => ({
  status: error.status,
  headers: encodeErrorHeaders(error),
  body: encodeBody(error, requestId),
});

/** In an array the error is its last element. */
export const encodeGeminiStreamError = (error: FloError, requestId: string, soFar: StreamSoFar): string => {
  const json = JSON.stringify(encodeBody(error, requestId));
  if (soFar.framing === 'sse') return `data: ${json}\n\n`;
  return `${soFar.tail === '' ? '[' : ',\n'}${json}]`;
};
