import { describe, expect, it } from 'vitest';
import type { ModelEntry } from './model-entries.ts';
import { anthropicPageOf, geminiPageOf } from './model-pages.ts';

const ENTRIES: ModelEntry[] = ['a', 'b', 'c', 'd', 'e'].map((id) => ({
  id,
  provider: null,
  listed: null,
  prices: null,
}));
const idsOf = ({ entries }: { entries: readonly ModelEntry[] }): string =>
  entries.map(({ id }) => id).join('');

describe("a page of models in Anthropic's dialect", () => {
  it.each([
    [{}, 'abcde', false],
    [{ limit: '2' }, 'ab', true],
    [{ limit: '2', after_id: 'b' }, 'cd', true],
    [{ limit: '2', after_id: 'c' }, 'de', false],
    [{ after_id: 'e' }, '', false],
    [{ limit: '2', before_id: 'd' }, 'bc', true],
    [{ limit: '9', before_id: 'c' }, 'ab', false],
  ])('for %j is %s', (query, ids, hasMore) => {
    const page = anthropicPageOf(ENTRIES, query);
    expect(idsOf(page)).toBe(ids);
    expect(page.hasMore).toBe(hasMore);
  });

  it.each([
    ['limit', { limit: '0' }],
    ['limit', { limit: '1001' }],
    ['limit', { limit: ['1', '2'] }],
    ['after_id', { after_id: 'x' }],
    ['before_id', { after_id: 'a', before_id: 'c' }],
  ])('is refused by the name of %s: %j', (param, query) => {
    expect(() => anthropicPageOf(ENTRIES, query)).toThrow(
      expect.objectContaining({ code: 'invalid_request', param }),
    );
  });
});

describe("a page of models in Gemini's dialect", () => {
  it('leads to the next until all were given', () => {
    const first = geminiPageOf(ENTRIES, { pageSize: '3' });
    expect([idsOf(first), first.nextPageToken]).toEqual(['abc', '3']);
    const second = geminiPageOf(ENTRIES, { pageSize: '3', pageToken: '3' });
    expect([idsOf(second), second.nextPageToken]).toEqual(['de', null]);
    expect(idsOf(geminiPageOf(ENTRIES, { pageSize: '50000' }))).toBe('abcde');
  });

  it.each([
    ['pageSize', { pageSize: 'x' }],
    ['pageToken', { pageToken: '-1' }],
  ])('is refused by the name of %s', (param, query) => {
    expect(() => geminiPageOf(ENTRIES, query)).toThrow(
      expect.objectContaining({ code: 'invalid_request', param }),
    );
  });
});
