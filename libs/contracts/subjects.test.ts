import fc from 'fast-check';
import { expect, it } from 'vitest';
import { encodeSubjectToken } from './subjects.ts';

it('gives every text one token that a subject may hold', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary' }), (text) => {
      expect(encodeSubjectToken(text)).toMatch(/^[A-Za-z0-9_=-]+$/);
    }),
  );
});

it('gives two texts two tokens', () => {
  const text = fc.oneof(fc.string({ unit: 'grapheme' }), fc.stringMatching(/^[.=2e >*-]{0,6}$/));
  fc.assert(
    fc.property(text, text, (one, other) => {
      fc.pre(one !== other);
      expect(encodeSubjectToken(one)).not.toBe(encodeSubjectToken(other));
    }),
  );
});

it('keeps common model names readable', () => {
  expect(encodeSubjectToken('gpt-4.1-mini')).toBe('gpt-4=2e1-mini');
  expect(encodeSubjectToken('claude-haiku-4-5')).toBe('claude-haiku-4-5');
});
