import type { ChargedTokens } from './call-log.ts';
import type { AcceptedPlain } from './provider.ts';

/** What a call is charged that is answered with one short body. */
export const tokensOfPlain = ({ inputTokens }: AcceptedPlain): ChargedTokens =>
  inputTokens === null ? {} : { input: inputTokens };

/** What counts against a limit of tokens: all but what a cache gave. */
export const countAgainstLimit = (tokens: ChargedTokens): number =>
  (tokens.input ?? 0) +
  (tokens.cache_write_5m ?? 0) +
  (tokens.cache_write_1h ?? 0) +
  (tokens.cache_write_other ?? 0) +
  (tokens.output ?? 0);
