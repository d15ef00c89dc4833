import type { Behaviour } from '../behaviour.ts';
import type { CallContext, Failure } from '../provider.ts';

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

export const refuseOpenaiCredential = (credential: string | null): Failure => ({
  status: 401,
  type: 'invalid_request_error',
  message:
    credential === null
      ? "You didn't provide an API key."
      : `Incorrect API key provided: ${credential.slice(0, 8)}*****${credential.slice(-4)}.`,
  code: credential === null ? null : 'invalid_api_key',
});

const LIMITS: Record<string, string> = {
  'x-ratelimit-limit-requests': '10000',
  'x-ratelimit-limit-tokens': '200000',
  'x-ratelimit-remaining-requests': '9999',
  'x-ratelimit-remaining-tokens': '199967',
  'x-ratelimit-reset-requests': '8.64s',
  'x-ratelimit-reset-tokens': '9ms',
};

export const openaiAnswerHeaders = (context: CallContext): Record<string, string> => ({
  'openai-organization': 'org-simulated',
  'openai-processing-ms': String(Math.max(1, Date.now() - context.nowMs)),
  'openai-version': '2020-10-01',
  ...LIMITS,
  'x-request-id': context.requestId,
});

export const openaiFailureHeaders = (
  failure: Failure,
  behaviour: Behaviour,
  context: CallContext,
): Record<string, string> => {
  const headers: Record<string, string> = { 'x-request-id': context.requestId };
  if (failure.code === 'rate_limit_exceeded') {
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
