import type { Behaviour } from '../behaviour.ts';
import type { Failure } from '../provider.ts';
import type { LimitReading } from '../rate-limits.ts';

const STATUSES: Record<number, Pick<Failure, 'type' | 'message'>> = {
  400: { type: 'INVALID_ARGUMENT', message: 'Request contains an invalid argument.' },
  401: { type: 'UNAUTHENTICATED', message: 'Request had invalid authentication credentials.' },
  403: { type: 'PERMISSION_DENIED', message: 'The caller does not have permission' },
  404: { type: 'NOT_FOUND', message: 'Requested entity was not found.' },
  413: { type: 'INVALID_ARGUMENT', message: 'Request payload size exceeds the limit: 20971520 bytes.' },
  500: { type: 'INTERNAL', message: 'An internal error has occurred. Please retry.' },
  503: { type: 'UNAVAILABLE', message: 'The model is overloaded. Please try again later.' },
  504: { type: 'DEADLINE_EXCEEDED', message: 'Deadline expired before operation could complete.' },
};

const quotaFailure = (metric: string, limit: number, retryAfterMs: number | null): Failure => ({
  status: 429,
  type: 'RESOURCE_EXHAUSTED',
  message: `You exceeded your current quota, please check your plan and billing details.\n* Quota exceeded for metric: generativelanguage.googleapis.com/${metric}, limit: ${limit}${retryAfterMs === null ? '' : `\nPlease retry in ${retryAfterMs / 1_000}s.`}`,
  code: metric,
  param: String(limit),
  retryAfterMs,
});

const METRICS = {
  requests: 'generate_content_paid_tier_requests',
  tokens: 'generate_content_paid_tier_input_token_count',
} as const;

const QUOTA_IDS: Record<string, string> = {
  [METRICS.requests]: 'GenerateRequestsPerMinutePerProjectPerModel',
  [METRICS.tokens]: 'GenerateContentPaidTierInputTokensPerModelPerMinute',
  generate_requests_per_day: 'GenerateRequestsPerDayPerProjectPerModel',
};

export const googleFailureOfLimit = (
  { limit, waitMs }: NonNullable<LimitReading['refused']>,
  reading: LimitReading,
): Failure => quotaFailure(METRICS[limit], reading[limit]?.limit ?? 0, waitMs);

export const googleFailureOf = (behaviour: Behaviour & { status: number }, model: string): Failure => {
  const { status, limit } = behaviour;
  if (limit === 'quota') return quotaFailure('generate_requests_per_day', 250, null);
  if (status === 429) {
    const seconds = Number(behaviour.retryAfter ?? Number.NaN);
    const retryMs = behaviour.retryAfterMs ?? (Number.isFinite(seconds) ? seconds * 1_000 : null);
    return quotaFailure(METRICS[limit ?? 'requests'], 1_000, retryMs);
  }
  if (status === 404)
    return {
      status,
      type: 'NOT_FOUND',
      message: `models/${model} is not found for API version v1beta, or is not supported for generateContent.`,
    };
  const known = STATUSES[status] ?? STATUSES[status < 500 ? 400 : 500];
  return { status, type: 'INTERNAL', message: 'Error.', ...known };
};

export const refuseGoogleCredential = (credential: string | null): Failure =>
  credential === null
    ? {
        status: 403,
        type: 'PERMISSION_DENIED',
        message:
          "Method doesn't allow unregistered callers (callers without established identity). Please use API Key or other form of API consumer identity to call this API.",
      }
    : {
        status: 400,
        type: 'INVALID_ARGUMENT',
        message: 'API key not valid. Please pass a valid API key.',
        code: 'API_KEY_INVALID',
      };

const detailsOf = (failure: Failure): object[] | null => {
  if (failure.code === 'API_KEY_INVALID')
    return [
      {
        '@type': 'type.googleapis.com/google.rpc.ErrorInfo',
        reason: 'API_KEY_INVALID',
        domain: 'googleapis.com',
        metadata: { service: 'generativelanguage.googleapis.com' },
      },
    ];
  if (failure.status !== 429) return null;
  const metric = failure.code ?? '';
  const violation = {
    quotaMetric: `generativelanguage.googleapis.com/${metric}`,
    quotaId: QUOTA_IDS[metric] ?? metric,
    quotaValue: failure.param ?? '',
  };
  const retry = failure.retryAfterMs ?? null;
  return [
    { '@type': 'type.googleapis.com/google.rpc.QuotaFailure', violations: [violation] },
    ...(retry === null
      ? []
      : [{ '@type': 'type.googleapis.com/google.rpc.RetryInfo', retryDelay: `${retry / 1_000}s` }]),
  ];
};

/** The wait stands in the body: the API sends neither `retry-after` nor headers of its limits. */
export const encodeGoogleFailure = (failure: Failure): string => {
  const details = detailsOf(failure);
  const error = {
    code: failure.status,
    message: failure.message,
    status: failure.type,
    ...(details === null ? {} : { details }),
  };
  return `${JSON.stringify({ error }, null, 2)}\n`;
};
