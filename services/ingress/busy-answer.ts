import type { ServerResponse } from 'node:http';
import type { RequestId } from '#contracts/ids';
import { FloError, type ErrorCode } from '#domain/errors';
import type { Surface } from '#surfaces/surface';

/** As long as every id of its kind, so that the answer's length is known before. */
const ANY_ID = 'req_00000000000000000000000000';

export type BusyAnswer = (
  response: ServerResponse,
  told: { requestId: RequestId; retryAfterSeconds: number },
) => void;

/**
 * An error in a dialect whose bytes are all there before anybody needs it: only the request's id and the wait are
 * filled in. For refusing at the least cost.
 */
export const createBusyAnswer = (surface: Surface, code: ErrorCode, message: string): BusyAnswer => {
  const error = new FloError(code, message, { retryAfterMs: 1_000 });
  const { status, headers, body } = surface.encodeError(error, ANY_ID);
  const parts = JSON.stringify(body).split(ANY_ID);
  const bytesWithoutId = parts.reduce((sum, part) => sum + Buffer.byteLength(part), 0);
  const fixed = Object.entries(headers).filter(([, value]) => value !== ANY_ID);
  const namedById = Object.entries(headers).filter(([, value]) => value === ANY_ID);
  return (response, { requestId, retryAfterSeconds }) => {
    const lines: string[] = ['content-type', 'application/json', 'x-flo2-request-id', requestId];
    for (const [name, value] of fixed) {
      lines.push(name, name === 'retry-after' ? String(retryAfterSeconds) : value);
    }
    for (const [name] of namedById) lines.push(name, requestId);
    const length = bytesWithoutId + (parts.length - 1) * requestId.length;
    lines.push('content-length', String(length));
    response.writeHead(status, lines);
    response.end(parts.join(requestId));
  };
};
