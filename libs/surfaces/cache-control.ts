import type { CacheControl } from '#contracts/inference';
import { optional, readObject, readOneOf, refuse, type JsonObject } from './field-reader.ts';

const readTtl = readOneOf(['5m', '1h']);
const TTL_DEFAULT = '5m';

const readMark = (value: unknown, param: string): CacheControl => {
  const mark = readObject(value, param);
  if (mark['type'] !== 'ephemeral') refuse(`${param}.type`, 'must be "ephemeral".');
  return { ttl: optional(mark, 'ttl', readTtl, `${param}.`) ?? TTL_DEFAULT };
};

/** Anthropic's mark on what is to be kept in the prompt cache, which other dialects' clients write, too. */
export const readCacheControl = (part: JsonObject, param: string): { cacheControl?: CacheControl } => {
  const cacheControl = optional(part, 'cache_control', readMark, `${param}.`);
  return cacheControl === undefined ? {} : { cacheControl };
};
