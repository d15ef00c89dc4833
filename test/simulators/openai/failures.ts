import type { Behaviour } from '../behaviour.ts';
import type { CallContext, Failure } from '../provider.ts';
import type { LimitReading, LimitState } from '../rate-limits.ts';

const TYPES: Record<number, Pick<Failure, 'type' | 'message' | 'code'>> = {
  400: { type: 'invalid_request_error', message: 'The request is not valid.', code: null },
  401: { type: 'invalid_request_error', message: 'Incorrect API key provided.', code: 'invalid_api_key' },
  403: {
    type: 'request_forbidden',
    message: 'Country, region, or territory not supported',
    code: 'unsupported_country_region_territory',
  },
  413: { type: 'invalid_request_error', message: 'The request body is too large.', code: null },
  500: { type: 'server_error', message: 'The server had an error processing your request.', code: null },
  503: {
    type: 'service_unavailable_error',
    message: 'The servers are overloaded at the moment.',
    code: 'server_is_overloaded',
  },
};

const limitFailure = (limit: Behaviour['limit'], model: string): Failure => {
  const status = 429;
  if (limit === 'quota')
    return {
      status,
      type: 'insufficient_quota',
      message: 'You exceeded your current quota, please check your plan and billing details.',
      code: 'insufficient_quota',
    };
  const kind = limit ?? 'requests';
  const unit =
    kind === 'tokens'
      ? 'tokens per min (TPM): Limit 200000, Used 199000, Requested 2800'
      : 'requests per min (RPM): Limit 500, Used 500, Requested 1';
  return {
    status,
    type: kind,
    message: `Rate limit reached for ${model} in organization org-simulated on ${unit}.`,
    code: 'rate_limit_exceeded',
  };
};

export const openaiFailureOf = (behaviour: Behaviour & { status: number }, model: string): Failure => {
  const { status } = behaviour;
  if (status === 429) return limitFailure(behaviour.limit, model);
  if (status === 404)
    return {
      status,
      type: 'invalid_request_error',
      message: `The model \`${model}\` does not exist or you do not have access to it.`,
      code: 'model_not_found',
    };
  const known = TYPES[status] ?? TYPES[status < 500 ? 400 : 500];
  return { status, type: 'server_error', message: 'Error.', ...known };
};

export const openaiFailureOfLimit = (
  { limit, requested, waitMs }: NonNullable<LimitReading['refused']>,
  reading: LimitReading,
  model: string,
): Failure => {
  const state = reading[limit];
  const bound = state?.limit ?? 0;
  const unit = limit === 'tokens' ? 'tokens per min (TPM)' : 'requests per min (RPM)';
  const subject = `for ${model} in organization org-simulated on ${unit}: Limit ${bound}`;
  return {
    status: 429,
    type: limit,
    message:
      waitMs === null
        ? `Request too large ${subject}, Requested ${requested}. The input or output tokens must be reduced in order to run successfully.`
        : `Rate limit reached ${subject}, Used ${bound - (state?.remaining ?? 0)}, Requested ${requested}. Please try again in ${writeDuration(waitMs)}.`,
    code: 'rate_limit_exceeded',
    retryAfterMs: waitMs,
  };
};

export const refuseOpenaiCredential = (credential: string | null): Failure => ({
  status: 401,
  type: 'invalid_request_error',
  message:
    credential === null
      ? "You didn't provide an API key."
      : `Incorrect API key provided: ${credential.slice(0, 8)}*****${credential.slice(-4)}.`,
  code: credential === null ? null : 'invalid_api_key',
});

/** `9ms`, `8.64s`, `6m0s`, as the API writes them. */
export const writeDuration = (milliseconds: number): string => {
  if (milliseconds < 1_000) return `${milliseconds}ms`;
  const minutes = Math.floor(milliseconds / 60_000);
  const seconds = Number(((milliseconds % 60_000) / 1_000).toFixed(3));
  return minutes === 0 ? `${seconds}s` : `${minutes}m${seconds}s`;
};

const LIMITS: Record<string, string> = {
  'x-ratelimit-limit-requests': '10000',
  'x-ratelimit-limit-tokens': '200000',
  'x-ratelimit-remaining-requests': '9999',
  'x-ratelimit-remaining-tokens': '199967',
  'x-ratelimit-reset-requests': '8.64s',
  'x-ratelimit-reset-tokens': '9ms',
};

const headersOfState = (name: string, state: LimitState | null): Record<string, string> =>
  state === null
    ? {}
    : {
        [`x-ratelimit-limit-${name}`]: String(state.limit),
        [`x-ratelimit-remaining-${name}`]: String(state.remaining),
        [`x-ratelimit-reset-${name}`]: writeDuration(state.resetMs),
      };

export const openaiLimitHeaders = ({ limits }: CallContext): Record<string, string> =>
  limits === null
    ? LIMITS
    : { ...headersOfState('requests', limits.requests), ...headersOfState('tokens', limits.tokens) };

export const openaiAnswerHeaders = (context: CallContext): Record<string, string> => ({
  'openai-organization': 'org-simulated',
  'openai-processing-ms': String(Math.max(1, Date.now() - context.nowMs)),
  'openai-version': '2020-10-01',
  ...openaiLimitHeaders(context),
  'x-request-id': context.requestId,
});

export const openaiFailureHeaders = (
  failure: Failure,
  behaviour: Behaviour,
  context: CallContext,
): Record<string, string> => {
  const headers: Record<string, string> = { 'x-request-id': context.requestId };
  if (context.limits?.refused) {
    Object.assign(headers, openaiLimitHeaders(context));
    if (typeof failure.retryAfterMs === 'number') {
      headers['retry-after'] = String(Math.ceil(failure.retryAfterMs / 1_000));
      headers['retry-after-ms'] = String(failure.retryAfterMs);
    }
  } else if (failure.code === 'rate_limit_exceeded') {
    const spent = failure.type === 'tokens' ? 'tokens' : 'requests';
    Object.assign(headers, LIMITS, {
      [`x-ratelimit-remaining-${spent}`]: '0',
      [`x-ratelimit-reset-${spent}`]: `${behaviour.retryAfter ?? '1'}s`,
    });
  }
  return headers;
};

export const encodeOpenaiFailure = (failure: Failure): string =>
  `${JSON.stringify(
    {
      error: {
        message: failure.message,
        type: failure.type,
        param: failure.param ?? null,
        code: failure.code ?? null,
      },
    },
    null,
    4,
  )}\n`;
