import type { TokenClass, TokenCounts } from '#contracts/usage';

const sumOf = (tokens: TokenCounts, classes: readonly TokenClass[]): number =>
  classes.reduce((sum, component) => sum + (tokens[component] ?? 0), 0);

/** Tokens that were read for the first time, whatever they were. */
export const uncachedTokensOf = (tokens: TokenCounts): number =>
  sumOf(tokens, ['input', 'input_audio', 'input_image']);

export const writtenTokensOf = (tokens: TokenCounts): number =>
  sumOf(tokens, ['cache_write_5m', 'cache_write_1h', 'cache_write_other']);

/** The whole prompt, caches included. */
export const promptTokensOf = (tokens: TokenCounts): number =>
  uncachedTokensOf(tokens) + (tokens.cache_read ?? 0) + writtenTokensOf(tokens);

/** The whole answer, reasoning included. */
export const answerTokensOf = (tokens: TokenCounts): number =>
  sumOf(tokens, ['output', 'output_audio', 'output_image']);
