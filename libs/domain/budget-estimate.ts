import { TOKEN_CLASSES } from '#contracts/usage';
import type { PriceRate } from './price-book.ts';

/** What a request may use at most, as far as can be told before it is sent. */
export type ExpectedUse = { inputTokens: number; outputTokens: number };

/** `unpriced`: some side of the model that is used has no rate. */
export type WorstCase = { kind: 'priced'; picoUsd: bigint } | { kind: 'unpriced' };

/**
 * Bytes of a request's body that make a token at least. English prose has about four, JSON and code three,
 * Chinese and Japanese three bytes a character and a token or less for it.
 */
const BYTES_PER_TOKEN = 3;

export const estimateInputTokens = (bodyBytes: number): number => Math.ceil(bodyBytes / BYTES_PER_TOKEN);

const TOKENS: ReadonlySet<string> = new Set(TOKEN_CLASSES);
const isOutput = ({ component }: PriceRate): boolean => component.startsWith('output');

const dearest = (rates: readonly PriceRate[]): bigint | null => {
  let found: bigint | null = null;
  for (const { ratePicoUsd } of rates) if (found === null || ratePicoUsd > found) found = ratePicoUsd;
  return found;
};

/**
 * What one attempt may cost: all input at the dearest rate of its side (a prompt that is written to a cache
 * costs more than one that is read), all output at the dearest of its own, whatever the service tier.
 * `rates` are those in force for the model.
 */
export const worstCaseOf = (rates: readonly PriceRate[], use: ExpectedUse): WorstCase => {
  const inputTokens = BigInt(use.inputTokens);
  const applicable = rates.filter((rate) => TOKENS.has(rate.component) && rate.inputTotalMin <= inputTokens);
  const input = dearest(applicable.filter((rate) => !isOutput(rate)));
  const output = dearest(applicable.filter(isOutput));
  if (input === null || (output === null && use.outputTokens > 0)) return { kind: 'unpriced' };
  return { kind: 'priced', picoUsd: inputTokens * input + BigInt(use.outputTokens) * (output ?? 0n) };
};
