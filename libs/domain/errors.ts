import type { WireError } from '#contracts/attempt-line';

/** Who has to act on an error. */
export type Blame = 'client' | 'tenant' | 'provider' | 'gateway';

/**
 * What may be done after an upstream attempt ended so. `same`: the same key may be tried again, and so
 * may any other. `other_key`: another key of the tenant, or the next target. `other_target`: the next
 * target. `never`: the answer would be the same everywhere.
 */
export type Retry = 'same' | 'other_key' | 'other_target' | 'never';

type Entry = { status: number; blame: Blame; retry: Retry; meaning: string };

/**
 * Every error flo2 gives or understands. `status` is the HTTP status towards the client; surfaces put
 * code and message into their own dialect, failover reads `retry`.
 */
export const ERROR_CATALOGUE = {
  invalid_request: {
    status: 400,
    blame: 'client',
    retry: 'never',
    meaning: 'The request is malformed or asks for something that cannot be expressed.',
  },
  missing_key: { status: 401, blame: 'client', retry: 'never', meaning: 'No API key came with the request.' },
  invalid_key: {
    status: 401,
    blame: 'client',
    retry: 'never',
    meaning: 'The API key is unknown, revoked or expired.',
  },
  forbidden: { status: 403, blame: 'client', retry: 'never', meaning: 'The API key may not do this.' },
  model_not_found: {
    status: 404,
    blame: 'client',
    retry: 'never',
    meaning: 'No model, route or provider key answers to this name.',
  },
  route_not_found: {
    status: 404,
    blame: 'client',
    retry: 'never',
    meaning: 'There is nothing at this path.',
  },
  conflict: {
    status: 409,
    blame: 'client',
    retry: 'never',
    meaning: 'The request contradicts what is stored.',
  },
  idempotency_mismatch: {
    status: 422,
    blame: 'client',
    retry: 'never',
    meaning: 'Another request was sent with this Idempotency-Key.',
  },
  too_large: {
    status: 413,
    blame: 'client',
    // Each provider has a limit of its own.
    retry: 'other_target',
    meaning: 'The body is over the size limit.',
  },
  budget_exceeded: {
    status: 429,
    blame: 'tenant',
    retry: 'never',
    meaning: 'A budget of this tenant has no room for the request.',
  },
  model_unpriced: {
    status: 403,
    blame: 'tenant',
    retry: 'never',
    meaning: 'There is no price for the model, and a budget refuses what it cannot price.',
  },
  rate_limited: {
    status: 429,
    blame: 'tenant',
    retry: 'never',
    meaning: 'A limit of this API key or tenant is reached.',
  },
  context_length: {
    status: 400,
    blame: 'client',
    retry: 'other_target',
    meaning: 'The prompt does not fit the model.',
  },
  content_filter: {
    status: 400,
    blame: 'client',
    retry: 'never',
    meaning: 'The provider refused the content.',
  },
  authentication: {
    status: 502,
    blame: 'tenant',
    retry: 'other_key',
    meaning: 'The provider rejected the registered key.',
  },
  permission: {
    status: 502,
    blame: 'tenant',
    retry: 'other_key',
    meaning: 'The registered key may not use this model.',
  },
  upstream_not_found: {
    status: 404,
    blame: 'client',
    retry: 'other_target',
    meaning: 'The provider does not know this model.',
  },
  rate_limit_requests: {
    status: 429,
    blame: 'provider',
    retry: 'same',
    meaning: "The provider's request rate limit is reached.",
  },
  rate_limit_tokens: {
    status: 429,
    blame: 'provider',
    retry: 'same',
    meaning: "The provider's token rate limit is reached.",
  },
  quota: {
    status: 429,
    blame: 'tenant',
    retry: 'other_key',
    meaning: "The provider account's quota or credit is used up.",
  },
  overloaded: { status: 503, blame: 'provider', retry: 'same', meaning: 'The provider is overloaded.' },
  server: { status: 502, blame: 'provider', retry: 'same', meaning: 'The provider failed.' },
  connection: {
    status: 502,
    blame: 'provider',
    retry: 'same',
    meaning: 'The provider could not be reached.',
  },
  timeout: { status: 504, blame: 'provider', retry: 'same', meaning: 'The provider did not answer in time.' },
  cut_stream: { status: 502, blame: 'provider', retry: 'same', meaning: "The provider's answer broke off." },
  malformed_answer: {
    status: 502,
    blame: 'provider',
    retry: 'same',
    meaning: "The provider's answer cannot be read.",
  },
  cancelled: { status: 499, blame: 'client', retry: 'never', meaning: 'The client left.' },
  deadline_exceeded: {
    status: 504,
    blame: 'gateway',
    retry: 'never',
    meaning: "The request's deadline passed.",
  },
  outcome_unknown: {
    status: 502,
    blame: 'gateway',
    retry: 'never',
    meaning: 'A call to the provider may have happened and its outcome was lost.',
  },
  queue_full: {
    status: 429,
    blame: 'tenant',
    retry: 'never',
    meaning: 'Too many of this tenant’s requests wait for this model.',
  },
  unavailable: {
    status: 503,
    blame: 'gateway',
    retry: 'never',
    meaning: 'flo2 cannot take the request now.',
  },
  storage_full: {
    status: 507,
    blame: 'gateway',
    retry: 'never',
    meaning: 'flo2 has no room left to store the request.',
  },
  internal: { status: 500, blame: 'gateway', retry: 'never', meaning: 'flo2 failed.' },
} as const satisfies Record<string, Entry>;

export type ErrorCode = keyof typeof ERROR_CATALOGUE;

export const isErrorCode = (code: string): code is ErrorCode => Object.hasOwn(ERROR_CATALOGUE, code);

export type FloErrorDetails = {
  /** The field at fault, in the client's own naming (`messages.0.content`). */
  param?: string | undefined;
  /** What the other side asked to wait. */
  retryAfterMs?: number | undefined;
  /** The provider's HTTP status, where it answered. */
  upstreamStatus?: number | undefined;
  cause?: unknown;
};

/**
 * The one error class. Its message is written for the caller and holds no secret and no payload; what
 * went wrong inside is the `cause`.
 */
export class FloError extends Error {
  override readonly name = 'FloError';
  readonly code: ErrorCode;
  readonly param: string | undefined;
  readonly retryAfterMs: number | undefined;
  readonly upstreamStatus: number | undefined;

  constructor(code: ErrorCode, message: string, details: FloErrorDetails = {}) {
    super(message, details.cause === undefined ? undefined : { cause: details.cause });
    this.code = code;
    this.param = details.param;
    this.retryAfterMs = details.retryAfterMs;
    this.upstreamStatus = details.upstreamStatus;
  }

  get status(): number {
    return ERROR_CATALOGUE[this.code].status;
  }

  get retry(): Retry {
    return ERROR_CATALOGUE[this.code].retry;
  }

  get blame(): Blame {
    return ERROR_CATALOGUE[this.code].blame;
  }
}

export const encodeWireError = (error: FloError): WireError => ({
  code: error.code,
  message: error.message,
  param: error.param ?? null,
  retryAfterMs: error.retryAfterMs ?? null,
  upstreamStatus: error.upstreamStatus ?? null,
});

/** An unknown code, from a newer flo2, is read as `internal`. */
export const decodeWireError = (wire: WireError): FloError =>
  new FloError(isErrorCode(wire.code) ? wire.code : 'internal', wire.message, {
    param: wire.param ?? undefined,
    retryAfterMs: wire.retryAfterMs ?? undefined,
    upstreamStatus: wire.upstreamStatus ?? undefined,
  });
