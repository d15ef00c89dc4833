import type { FloError } from '#domain/errors';

export type EncodedPlainError = {
  status: number;
  headers: Record<string, string>;
  body: { error: { code: string; message: string; param?: string; request_id: string } };
};

/** The shape of every error that is in no provider's dialect. */
export const encodePlainError = (error: FloError, requestId: string): EncodedPlainError => ({
  status: error.status,
  headers: {
    'x-flo2-request-id': requestId,
    ...(error.retryAfterMs !== undefined && { 'retry-after': String(Math.ceil(error.retryAfterMs / 1_000)) }),
  },
  body: {
    error: {
      code: error.code,
      message: error.message,
      ...(error.param !== undefined && { param: error.param }),
      request_id: requestId,
    },
  },
});
