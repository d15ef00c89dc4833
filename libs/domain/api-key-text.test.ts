import { describe, expect, it } from 'vitest';
import { mintApiKeyText, parseApiKeyText } from './api-key-text.ts';
import { FloError } from './errors.ts';

const mint = () => mintApiKeyText((bytes) => crypto.getRandomValues(bytes));

const codeOf = (text: string | null): string => {
  try {
    parseApiKeyText(text);
    return 'taken';
  } catch (error) {
    return error instanceof FloError ? error.code : 'other';
  }
};

describe('an API key’s text', () => {
  it('is taken as it was minted', () => {
    for (let count = 0; count < 500; count += 1) {
      const text = mint();
      expect(text).toMatch(/^flo2_[0-9A-Za-z]{38}$/);
      expect(parseApiKeyText(text)).toBe(text);
    }
  });

  it('is known by any one character that is wrong', () => {
    const text = mint();
    for (let index = 5; index < text.length; index += 1) {
      const other = text[index] === 'a' ? 'b' : 'a';
      expect(codeOf(text.slice(0, index) + other + text.slice(index + 1))).toBe('invalid_key');
    }
  });

  it('is refused without being repeated', () => {
    expect(codeOf(null)).toBe('missing_key');
    expect(codeOf('sk-something')).toBe('invalid_key');
    expect(() => parseApiKeyText('flo2_secretsecret')).toThrow(/^(?!.*secretsecret)/);
  });
});
