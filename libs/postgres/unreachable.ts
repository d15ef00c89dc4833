import { DatabaseError } from 'pg';
import { FloError } from '#domain/errors';
import { storageFull } from '#domain/storage-full';

/** SQLSTATE classes: connection exceptions, insufficient resources, operator intervention, system errors. */
const UNABLE = /^(?:08|53|57|58)/;
/** What the driver says without any code. */
const DISCONNECTED =
  /^(?:Connection terminated|timeout exceeded when trying to connect|Client has encountered)/;
const CAUSES_MAX = 5;

/** The server's word, and the operating system's, for a write that found no room. */
const FULL: ReadonlySet<string> = new Set(['53100', 'ENOSPC', 'EDQUOT']);

/** Whether the error says that the store cannot do anything now, rather than that it refuses this. */
const isStoreUnreachable = (error: unknown): boolean => {
  let current = error;
  for (let depth = 0; depth < CAUSES_MAX && current instanceof Error; depth += 1) {
    const code = 'code' in current && typeof current.code === 'string' ? current.code : '';
    if (current instanceof DatabaseError) return UNABLE.test(code);
    if (/^E[A-Z_]+$/.test(code) || DISCONNECTED.test(current.message)) return true;
    current = current.cause;
  }
  return false;
};

const isStorageFull = (error: unknown): boolean => {
  let current = error;
  for (let depth = 0; depth < CAUSES_MAX && current instanceof Error; depth += 1) {
    if ('code' in current && typeof current.code === 'string' && FULL.has(current.code)) return true;
    current = current.cause;
  }
  return false;
};

/**
 * The store's trouble as whoever asked is told it: `storage_full`, or `unavailable` with these words. Null where
 * the error is of another kind.
 */
export const explainStoreError = (error: unknown, message: string): FloError | null => {
  if (error instanceof FloError) return null;
  if (isStorageFull(error)) return storageFull(error);
  if (!isStoreUnreachable(error)) return null;
  return new FloError('unavailable', message, { retryAfterMs: 1_000, cause: error });
};
