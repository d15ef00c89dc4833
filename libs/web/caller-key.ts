import { hash, timingSafeEqual } from 'node:crypto';
import type { IncomingHttpHeaders } from 'node:http';

/** The key a caller shows: `Authorization: Bearer …`, or a dialect's own header. Null when there is none. */
export const readCallerKey = (headers: IncomingHttpHeaders): string | null => {
  const bearer = /^Bearer +(\S+)$/i.exec(headers.authorization ?? '')?.[1];
  if (bearer !== undefined) return bearer;
  for (const name of ['x-api-key', 'x-goog-api-key']) {
    const value = headers[name];
    if (typeof value === 'string' && value !== '') return value;
  }
  return null;
};

/** SHA-256, under which API keys are stored. */
export const hashApiKey = (text: string): Buffer => hash('sha256', text, 'buffer');

/** Whether two keys are the same, in a time that tells nothing of either. */
export const isSameKey = (one: string, other: string): boolean =>
  timingSafeEqual(hashApiKey(one), hashApiKey(other));
