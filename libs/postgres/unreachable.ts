import { DatabaseError } from 'pg';

/** SQLSTATE classes: connection exceptions, insufficient resources, operator intervention, system errors. */
const UNABLE = /^(?:08|53|57|58)/;
/** What the driver says without any code. */
const DISCONNECTED =
  /^(?:Connection terminated|timeout exceeded when trying to connect|Client has encountered)/;
const CAUSES_MAX = 5;

/** Whether the error says that the store cannot do anything now, rather than that it refuses this. */
export const isStoreUnreachable = (error: unknown): boolean => {
  let current = error;
  for (let depth = 0; depth < CAUSES_MAX && current instanceof Error; depth += 1) {
    const code = 'code' in current && typeof current.code === 'string' ? current.code : '';
    if (current instanceof DatabaseError) return UNABLE.test(code);
    if (/^E[A-Z_]+$/.test(code) || DISCONNECTED.test(current.message)) return true;
    current = current.cause;
  }
  return false;
};
