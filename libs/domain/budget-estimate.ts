import { TOKEN_CLASSES } from '#contracts/usage';
import type { NegotiatedRate } from './negotiated-rate.ts';
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

/** What prices a target: the rates of the book in force for its model, and what the tenant has agreed. */
export type TargetPrices = { listed: readonly PriceRate[]; agreed: readonly NegotiatedRate[] };

const TOKENS: ReadonlySet<string> = new Set(TOKEN_CLASSES);
const isOutput = (component: string): boolean => component.startsWith('output');

const dearest = (rates: readonly bigint[]): bigint | null => {
  let found: bigint | null = null;
  for (const rate of rates) if (found === null || rate > found) found = rate;
  return found;
};

/** The rates of one side that a rule may set by itself; a discount sets none above the listed one. */
const agreedRates = (rule: NegotiatedRate, side: 'input' | 'output'): bigint[] => {
  if (rule.kind === 'discount') return [];
  const { component } = rule;
  const isOfSide =
    component === null || (TOKENS.has(component) && isOutput(component) === (side === 'output'));
  return isOfSide ? [rule.value, ...rule.volumeTiers.map(({ value }) => value)] : [];
};

/**
 * What one attempt may cost: all input at the dearest rate of its side (a prompt that is written to a cache
 * costs more than one that is read), all output at the dearest of its own, whatever the service tier. An
 * agreed rate counts beside the listed ones: it may hold for one key alone, or begin above them.
 */
export const worstCaseOf = ({ listed, agreed }: TargetPrices, use: ExpectedUse): WorstCase => {
  const inputTokens = BigInt(use.inputTokens);
  const applicable = listed.filter((rate) => TOKENS.has(rate.component) && rate.inputTotalMin <= inputTokens);
  const dearestOf = (side: 'input' | 'output'): bigint | null =>
    dearest([
      ...applicable
        .filter(({ component }) => isOutput(component) === (side === 'output'))
        .map(({ ratePicoUsd }) => ratePicoUsd),
      ...agreed.flatMap((rule) => agreedRates(rule, side)),
    ]);
  const input = dearestOf('input');
  const output = dearestOf('output');
  if (input === null || (output === null && use.outputTokens > 0)) return { kind: 'unpriced' };
  return { kind: 'priced', picoUsd: inputTokens * input + BigInt(use.outputTokens) * (output ?? 0n) };
};
