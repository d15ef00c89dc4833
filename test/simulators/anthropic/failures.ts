import type { Behaviour } from '../behaviour.ts';
import type { CallContext, Failure } from '../provider.ts';
import type { LimitReading, LimitState } from '../rate-limits.ts';

const TYPES: Record<number, Pick<Failure, 'type' | 'message'>> = {
  400: { type: 'invalid_request_error', message: 'The request is not valid.' },
  401: { type: 'authentication_error', message: 'invalid x-api-key' },
  402: { type: 'billing_error', message: 'There is a problem with the billing of this account.' },
  403: {
    type: 'permission_error',
    message: 'Your API key does not have permission to use the specified resource.',
  },
  413: { type: 'request_too_large', message: 'Request exceeds the maximum size' },
  500: { type: 'api_error', message: 'Internal server error' },
  504: { type: 'timeout_error', message: 'The request timed out' },
  529: { type: 'overloaded_error', message: 'Overloaded' },
};

export const anthropicFailureOf = (behaviour: Behaviour & { status: number }, model: string): Failure => {
  const { status, limit } = behaviour;
  // Spent credit is an invalid request here, not a rate limit.
  if (limit === 'quota')
    return {
      status: 400,
      type: 'invalid_request_error',
      message: 'Your credit balance is too low to access the Anthropic API.',
    };
  if (status === 404) return { status, type: 'not_found_error', message: `model: ${model}` };
  if (status === 429) {
    const what = limit === 'tokens' ? '30,000 input tokens' : '50 requests';
    return {
      status,
      type: 'rate_limit_error',
      message: `This request would exceed your organization's rate limit of ${what} per minute.`,
    };
  }
  const known = TYPES[status] ?? TYPES[status < 500 ? 400 : 500];
  return { status, type: 'api_error', message: 'Error', ...known };
};

export const anthropicFailureOfLimit = (
  { limit, waitMs }: NonNullable<LimitReading['refused']>,
  reading: LimitReading,
): Failure => ({
  status: 429,
  type: 'rate_limit_error',
  message: `This request would exceed your organization's rate limit of ${(reading[limit]?.limit ?? 0).toLocaleString('en-US')} ${limit === 'tokens' ? 'input tokens' : limit} per minute.`,
  retryAfterMs: waitMs,
});

export const refuseAnthropicCredential = (credential: string | null): Failure => ({
  status: 401,
  type: 'authentication_error',
  message: credential === null ? 'x-api-key header is required' : 'invalid x-api-key',
});

/** What is told where nothing is enforced. */
const LIMITS: Record<string, number> = {
  requests: 10_000,
  'input-tokens': 10_000_000,
  'output-tokens': 2_000_000,
  tokens: 12_000_000,
};

/** Rounded up to the second: what is told to be free again then is. */
const writeReset = (atMs: number): string =>
  `${new Date(Math.ceil(atMs / 1_000) * 1_000).toISOString().slice(0, 19)}Z`;

const statesOf = ({ limits }: CallContext): Record<string, LimitState | null> => {
  if (limits !== null)
    return { requests: limits.requests, 'input-tokens': limits.tokens, tokens: limits.tokens };
  return Object.fromEntries(
    Object.entries(LIMITS).map(([name, limit]) => [name, { limit, remaining: limit - 1, resetMs: 0 }]),
  );
};

const limitHeaders = (context: CallContext): Record<string, string> => {
  const headers: Record<string, string> = {};
  for (const [name, state] of Object.entries(statesOf(context))) {
    if (state === null) continue;
    headers[`anthropic-ratelimit-${name}-limit`] = String(state.limit);
    headers[`anthropic-ratelimit-${name}-remaining`] = String(state.remaining);
    headers[`anthropic-ratelimit-${name}-reset`] = writeReset(context.nowMs + state.resetMs);
  }
  return headers;
};

export const anthropicAnswerHeaders = (context: CallContext): Record<string, string> => ({
  ...limitHeaders(context),
  'request-id': context.requestId,
  'anthropic-organization-id': '00000000-0000-4000-8000-000000000000',
});

export const anthropicFailureHeaders = (
  failure: Failure,
  behaviour: Behaviour,
  context: CallContext,
): Record<string, string> => {
  const retryable = failure.status === 429 || failure.status >= 500;
  const headers: Record<string, string> = {
    'request-id': context.requestId,
    'x-should-retry': String(retryable),
  };
  if (context.limits?.refused) {
    Object.assign(headers, limitHeaders(context));
    if (typeof failure.retryAfterMs === 'number')
      headers['retry-after'] = String(Math.ceil(failure.retryAfterMs / 1_000));
  } else if (failure.status === 429) {
    const spent = behaviour.limit === 'tokens' ? 'input-tokens' : 'requests';
    Object.assign(headers, limitHeaders(context), { [`anthropic-ratelimit-${spent}-remaining`]: '0' });
  }
  return headers;
};

export const encodeAnthropicFailure = (failure: Failure, context: CallContext): string =>
  JSON.stringify({
    type: 'error',
    error: { type: failure.type, message: failure.message },
    request_id: context.requestId,
  });
