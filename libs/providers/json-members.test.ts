import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { replaceJsonMembers } from './json-members.ts';

const replace = (text: string, members: Record<string, unknown>): string =>
  Buffer.from(replaceJsonMembers(Buffer.from(text), members)).toString('utf8');

describe('replaceJsonMembers', () => {
  it('leaves every other byte as it was', () => {
    expect(
      replace('{ "big" : 12345678901234567890,\n "model":"a" , "x":[1,{"model":"inner"}] }', { model: 'b' }),
    ).toBe('{ "big" : 12345678901234567890,\n "model":"b" , "x":[1,{"model":"inner"}] }');
  });

  it('adds what is not there', () => {
    expect(replace('{"a":1}', { b: { c: 2 } })).toBe('{"a":1,"b":{"c":2}}');
    expect(replace('{ }', { a: 1, b: 2 })).toBe('{ "a":1,"b":2}');
    expect(replace('{"a":1\n}', { b: 2 })).toBe('{"a":1,"b":2\n}');
  });

  it('replaces each of repeated members, and knows names that are written with escapes', () => {
    expect(replace('{"model":"a","model":"b"}', { model: 'c' })).toBe('{"model":"c","model":"c"}');
    expect(replace(String.raw`{"\u006dodel":"a\"}"}`, { model: 'c' })).toBe(String.raw`{"\u006dodel":"c"}`);
  });

  it('means the same as parsing, changing and writing', () => {
    const object = fc.dictionary(
      fc.constantFrom('model', 'a', 'stream', 'ü', '"', '__proto__'),
      fc.jsonValue(),
    );
    fc.assert(
      fc.property(object, object, fc.constantFrom(0, 1, 4), (body, members, indent) => {
        const parsed: unknown = JSON.parse(replace(JSON.stringify(body, null, indent), members));
        expect(JSON.stringify(Object.entries(parsed as object).sort())).toBe(
          JSON.stringify(Object.entries(JSON.parse(JSON.stringify({ ...body, ...members }))).sort()),
        );
      }),
      { numRuns: 2_000 },
    );
  });

  it('refuses what is no object', () => {
    for (const text of ['[]', '1', '']) expect(() => replace(text, { a: 1 })).toThrow(SyntaxError);
  });
});
