import { describe, expect, it } from 'vitest';
import { readGeminiAddress, withQueryKey } from './gemini-address.ts';

describe('the address of a request to Gemini', () => {
  it.each([
    [
      'gemini-2.5-flash:generateContent',
      {},
      'gemini-generate-content',
      { model: 'gemini-2.5-flash', stream: false },
    ],
    [
      'openai/gpt-4o-mini:streamGenerateContent',
      { alt: 'sse' },
      'gemini-generate-content',
      { model: 'openai/gpt-4o-mini', stream: true, streamFraming: 'sse' },
    ],
    [
      'a:streamGenerateContent',
      {},
      'gemini-generate-content',
      { model: 'a', stream: true, streamFraming: 'json_array' },
    ],
    ['ollama/llama3:8b:countTokens', {}, 'gemini-count-tokens', { model: 'ollama/llama3:8b' }],
    ['a:embedContent', {}, 'gemini-embed-content', { model: 'a' }],
    ['a:batchEmbedContents', {}, 'gemini-embed-content', { model: 'a' }],
  ])('%s with %j asks %s', (rest, query, surface, path) => {
    expect(readGeminiAddress(rest, query)).toEqual({ surface, path });
  });

  it.each(['a', ':generateContent', 'a:', 'a:predict', 'a:toString', ''])('is none in "%s"', (rest) => {
    expect(() => readGeminiAddress(rest, {})).toThrow(expect.objectContaining({ code: 'route_not_found' }));
  });
});

describe('a key in the query', () => {
  it('counts as the header, which comes before it', () => {
    expect(withQueryKey({ accept: 'x' }, { key: 'k' })).toEqual({ accept: 'x', 'x-goog-api-key': 'k' });
    expect(withQueryKey({ 'x-goog-api-key': 'h' }, { key: 'k' })).toEqual({ 'x-goog-api-key': 'h' });
    expect(withQueryKey({}, { key: ['a', 'b'] })).toEqual({});
  });
});
