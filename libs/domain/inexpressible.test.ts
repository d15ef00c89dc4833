import { describe, expect, it } from 'vitest';
import { Inexpressible } from './inexpressible.ts';

const paramOf = (field: string): string => (field === 'topK' ? 'top_k' : field);

describe('a parameter that the target has no word for', () => {
  it('is refused by the name the client knows', () => {
    const inexpressible = new Inexpressible({ drop: false, paramOf });
    expect(() => inexpressible.field('topK')).toThrow(
      expect.objectContaining({ code: 'invalid_request', param: 'top_k' }),
    );
    expect(inexpressible.dropped).toEqual([]);
  });

  it('is dropped and named once where the client asked for that', () => {
    const inexpressible = new Inexpressible({ drop: true, paramOf });
    inexpressible.field('topK');
    inexpressible.param('top_k');
    inexpressible.param('logit_bias');
    expect(inexpressible.dropped).toEqual(['top_k', 'logit_bias']);
  });

  it('does not make the list of names long', () => {
    const inexpressible = new Inexpressible({ drop: true });
    for (let index = 0; index < 1_000; index += 1) inexpressible.param(`${index}-${'x'.repeat(100)}`);
    expect(inexpressible.dropped).toHaveLength(32);
    expect(Math.max(...inexpressible.dropped.map(({ length }) => length))).toBe(64);
  });
});
