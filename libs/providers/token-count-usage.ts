import type { Usage } from '#contracts/usage';

/** A count of tokens costs nothing: told as such, so that nobody takes it for unknown. */
export const TOKEN_COUNT_USAGE: Usage = Object.freeze({
  source: 'provider',
  tokens: { input: 0, output: 0 },
});
