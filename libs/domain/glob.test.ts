import fc from 'fast-check';
import { expect, it } from 'vitest';
import { matchesGlob } from './glob.ts';

const expressionOf = (pattern: string): RegExp =>
  new RegExp(`^${pattern.replaceAll(/[.+?^${}()|[\]\\]/g, String.raw`\$&`).replaceAll('*', '[^]*')}$`);

it('agrees with the expression of the same meaning', () => {
  const piece = fc.stringMatching(/^[ab.*]{0,8}$/);
  const text = fc.stringMatching(/^[ab.]{0,10}$/);
  fc.assert(
    fc.property(piece, text, (pattern, subject) => {
      expect(matchesGlob(pattern, subject)).toBe(expressionOf(pattern).test(subject));
    }),
    { numRuns: 2_000 },
  );
});

it('reads nothing but the star', () => {
  expect(matchesGlob('openai/gpt-4o*', 'openai/gpt-4o-mini')).toBe(true);
  expect(matchesGlob('openai/*', 'anthropic/claude')).toBe(false);
  expect(matchesGlob('gpt-4.1', 'gpt-451')).toBe(false);
  expect(matchesGlob('*', '')).toBe(true);
});

it('does not take for ever over many stars', () => {
  expect(matchesGlob('*a'.repeat(100), 'b'.repeat(5_000))).toBe(false);
});
