import { hash } from 'node:crypto';
import { countWords } from './tokens.ts';

/** A text, or the tokens of one. */
export type EmbeddingInput = string | number[];

/** A word is a token, and the tokens of a text that comes as tokens are theirs. */
export const countEmbeddingTokens = (inputs: readonly EmbeddingInput[]): number =>
  inputs.reduce((sum, input) => sum + (typeof input === 'string' ? countWords(input) : input.length), 0);

/** A unit vector that depends on the input and the number of dimensions alone, the same at every provider. */
export const vectorOf = (input: EmbeddingInput, dimensions: number): number[] => {
  let state = Number.parseInt(hash('sha256', JSON.stringify(input), 'hex').slice(0, 8), 16);
  const values = Array.from({ length: dimensions }, () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state / 2 ** 31 - 1;
  });
  const length = Math.hypot(...values);
  // As single precision, which is what base64 carries.
  return Array.from(Float32Array.from(values, (value) => value / length));
};

export const encodeVectorBase64 = (vector: readonly number[]): string =>
  Buffer.from(Float32Array.from(vector).buffer).toString('base64');
