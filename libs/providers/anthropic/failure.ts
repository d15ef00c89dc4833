import type { ErrorCode, FloError } from '#domain/errors';
import { objectOf, textOf, type JsonObject } from '../json-fields.ts';
import type { UpstreamFailure, UpstreamHeaders } from '../provider.ts';
import {
  codeOfStatus,
  describeUpstreamError,
  readErrorBody,
  readHeader,
  readRetryAfterMs,
} from '../upstream-failure.ts';

const TOKEN_LIMITS = ['tokens', 'input-tokens', 'output-tokens'];

const isSpent = (headers: UpstreamHeaders, limit: string): boolean =>
  readHeader(headers, `anthropic-ratelimit-${limit}-remaining`) === '0';

/** Every message speaks of a request; one about tokens names them. Where it says neither, the headers do. */
const codeOfRateLimit = (message: string, headers: UpstreamHeaders): ErrorCode => {
  if (/\btokens?\b/i.test(message)) return 'rate_limit_tokens';
  const tokensSpent = TOKEN_LIMITS.some((limit) => isSpent(headers, limit));
  return tokensSpent && !isSpent(headers, 'requests') ? 'rate_limit_tokens' : 'rate_limit_requests';
};

/** Spent credit and prompts over the window have no type of their own. */
const codeOfInvalidRequest = (message: string): ErrorCode => {
  if (/credit balance|specified API usage limits/i.test(message)) return 'quota';
  return /prompt is too long|exceed context limit/i.test(message) ? 'context_length' : 'invalid_request';
};

/** An error answer: `{"type": "error", "error": {type, message}}`, or anything else. */
export const decodeAnthropicFailure = (failure: UpstreamFailure): FloError => {
  const { status, headers } = failure;
  const message = textOf(objectOf(readErrorBody(failure.body)?.['error'])['message']);
  let code = codeOfStatus(status);
  if (code === 'invalid_request') code = codeOfInvalidRequest(message ?? '');
  else if (code === 'rate_limit_requests') code = codeOfRateLimit(message ?? '', headers);
  return describeUpstreamError(code, message, { status, retryAfterMs: readRetryAfterMs(failure) });
};

const codeOfType = (type: string, message: string): ErrorCode => {
  switch (type) {
    case 'invalid_request_error':
      return codeOfInvalidRequest(message);
    case 'authentication_error':
      return 'authentication';
    case 'billing_error':
      return 'quota';
    case 'permission_error':
      return 'permission';
    case 'not_found_error':
      return 'upstream_not_found';
    case 'request_too_large':
      return 'too_large';
    case 'rate_limit_error':
      return codeOfRateLimit(message, {});
    case 'overloaded_error':
      return 'overloaded';
    default:
      return 'server';
  }
};

/** An error that comes with status 200: as an event of a stream, or in place of a message. */
export const decodeAnthropicError = (body: JsonObject): FloError => {
  const error = objectOf(body['error']);
  const message = textOf(error['message']);
  return describeUpstreamError(codeOfType(textOf(error['type']) ?? '', message ?? ''), message);
};
