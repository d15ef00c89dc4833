import { z } from 'zod';

/**
 * The disjoint token classes everything is normalised to: a token is counted in exactly one.
 * `cache_write_other` is a cache write whose lifetime is not on the wire.
 */
export const TOKEN_CLASSES = [
  'input',
  'cache_read',
  'cache_write_5m',
  'cache_write_1h',
  'cache_write_other',
  'input_audio',
  'input_image',
  'output',
  'output_audio',
  'output_image',
] as const;
export const tokenClass = z.enum(TOKEN_CLASSES);
export type TokenClass = z.infer<typeof tokenClass>;

const tokenCount = z.int().nonnegative();

/** Tokens by class. An absent class was not reported; an explicit zero stays a zero. */
export const tokenCounts = z.partialRecord(tokenClass, tokenCount);
export type TokenCounts = z.infer<typeof tokenCounts>;

/**
 * Where the counts come from. `provider`: the provider's final figure. `provider_partial`: the
 * provider's figures up to a cut. `receipt`: looked up afterwards. `estimated`: ours.
 * `none`: nobody said; the tokens are unknown, not zero.
 */
export const usageSource = z.enum(['provider', 'provider_partial', 'receipt', 'estimated', 'none']);
export type UsageSource = z.infer<typeof usageSource>;

export const usage = z.object({
  source: usageSource,
  tokens: tokenCounts,
  /** Tokens of reasoning; a part of `output`, never added to it. */
  reasoning: tokenCount.optional(),
  /** The tier the provider says it served, in the provider's own word. */
  serviceTier: z.string().optional(),
  /** How often tools ran on the provider's side, by its name of the tool (`web_search`); charged by the call. */
  serverToolCalls: z.record(z.string(), tokenCount).optional(),
  /** The provider's own usage object, unchanged. */
  raw: z.unknown().optional(),
});
export type Usage = z.infer<typeof usage>;

export const UNKNOWN_USAGE: Usage = Object.freeze({ source: 'none', tokens: {} });
