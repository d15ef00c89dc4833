import { UNKNOWN_USAGE, type TokenClass, type Usage, type UsageSource } from '#contracts/usage';
import { countOf, isObject, objectOf, textOf, type JsonObject } from '../json-fields.ts';
import { readServerToolCalls } from '../server-tool-calls.ts';

/**
 * The cache writes by lifetime. In an answer of several rounds the split may cover the last one only: the
 * total counts, and what the split leaves out has the default lifetime, five minutes.
 */
const readCacheWrites = (usage: JsonObject): Partial<Record<TokenClass, number>> => {
  const total = countOf(usage['cache_creation_input_tokens']);
  const split = objectOf(usage['cache_creation']);
  const fiveMinutes = countOf(split['ephemeral_5m_input_tokens']);
  const oneHour = countOf(split['ephemeral_1h_input_tokens']);
  if (fiveMinutes === null && oneHour === null) return total === null ? {} : { cache_write_other: total };
  if (total === null) {
    return {
      ...(fiveMinutes !== null && { cache_write_5m: fiveMinutes }),
      ...(oneHour !== null && { cache_write_1h: oneHour }),
    };
  }
  const ofOneHour = Math.min(oneHour ?? 0, total);
  return { cache_write_5m: total - ofOneHour, cache_write_1h: ofOneHour };
};

/**
 * `usage` of the Messages API. `input_tokens` leaves caches out already. Where `iterations` holds passes
 * of other models, only the top level is counted; `raw` keeps the rest.
 */
export const readAnthropicUsage = (value: unknown, source: UsageSource): Usage => {
  if (!isObject(value)) return UNKNOWN_USAGE;
  const input = countOf(value['input_tokens']);
  const output = countOf(value['output_tokens']);
  if (input === null && output === null) return UNKNOWN_USAGE;
  const cacheRead = countOf(value['cache_read_input_tokens']);
  const thinking = countOf(objectOf(value['output_tokens_details'])['thinking_tokens']);
  const serviceTier = textOf(value['service_tier']);
  return {
    source,
    tokens: {
      ...(input !== null && { input }),
      ...(cacheRead !== null && { cache_read: cacheRead }),
      ...readCacheWrites(value),
      ...(output !== null && { output }),
    },
    ...(thinking !== null && { reasoning: Math.min(thinking, output ?? 0) }),
    ...(serviceTier !== null && { serviceTier }),
    ...readServerToolCalls(value),
    raw: value,
  };
};

const FIELDS_MAX = 64;

/** The counts of a stream are cumulative: each field counts as it came last. */
export const mergeAnthropicUsage = (earlier: JsonObject, later: unknown): JsonObject => {
  const said = Object.entries(objectOf(later)).filter(([, value]) => value !== null);
  return Object.fromEntries(Object.entries({ ...earlier, ...Object.fromEntries(said) }).slice(0, FIELDS_MAX));
};
