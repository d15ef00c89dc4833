import { countOf, textOf, type JsonObject } from '../json-fields.ts';

/** `google.rpc.Code`: what a request's error in a batch carries, with the HTTP status a call would have had. */
const CODES: Readonly<Record<number, { status: number; name: string }>> = {
  1: { status: 499, name: 'CANCELLED' },
  2: { status: 500, name: 'UNKNOWN' },
  3: { status: 400, name: 'INVALID_ARGUMENT' },
  4: { status: 504, name: 'DEADLINE_EXCEEDED' },
  5: { status: 404, name: 'NOT_FOUND' },
  6: { status: 409, name: 'ALREADY_EXISTS' },
  7: { status: 403, name: 'PERMISSION_DENIED' },
  8: { status: 429, name: 'RESOURCE_EXHAUSTED' },
  9: { status: 400, name: 'FAILED_PRECONDITION' },
  10: { status: 409, name: 'ABORTED' },
  11: { status: 400, name: 'OUT_OF_RANGE' },
  12: { status: 501, name: 'UNIMPLEMENTED' },
  13: { status: 500, name: 'INTERNAL' },
  14: { status: 503, name: 'UNAVAILABLE' },
  15: { status: 500, name: 'DATA_LOSS' },
  16: { status: 401, name: 'UNAUTHENTICATED' },
};
const CANCELLED = 1;
const UNKNOWN = { status: 502, name: 'UNKNOWN' };

/** `body` is the error as a call would have been answered. A code that is an HTTP status already is kept. */
export const batchErrorOf = (
  error: JsonObject,
): { isCancelled: boolean; status: number; body: Uint8Array } => {
  const code = countOf(error['code']) ?? 0;
  const isStatus = code >= 400 && code <= 599;
  const { status, name } = CODES[code] ?? { ...UNKNOWN, ...(isStatus ? { status: code } : {}) };
  const told = {
    code: status,
    message: textOf(error['message']) ?? '',
    status: name,
    details: error['details'],
  };
  return {
    isCancelled: code === CANCELLED,
    status,
    body: Buffer.from(JSON.stringify({ error: told })),
  };
};
