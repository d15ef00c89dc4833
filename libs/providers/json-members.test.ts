import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { findJsonMember, removeJsonMembers, renameJsonMembers, replaceJsonMembers } from './json-members.ts';

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

  it('is not misled by quotes, braces and backslashes in strings', () => {
    expect(replace(String.raw`{"a":"\\\"}{,","model":"\\","b":"]"}`, { model: 'z' })).toBe(
      String.raw`{"a":"\\\"}{,","model":"z","b":"]"}`,
    );
  });

  it('leaves out a byte order mark', () => {
    expect(replace('\uFEFF {"model":1}', { model: 2 })).toBe(' {"model":2}');
  });

  it('means the same as parsing, changing and writing', () => {
    const object = fc.dictionary(
      fc.constantFrom('model', 'a', 'stream', 'ü', '"', '__proto__'),
      fc.jsonValue(),
    );
    fc.assert(
      fc.property(object, object, fc.constantFrom(0, 1, 4), (body, members, indent) => {
        const parsed: unknown = JSON.parse(replace(JSON.stringify(body, null, indent), members));
        const expected: unknown = JSON.parse(JSON.stringify({ ...body, ...members }));
        expect(new Map(Object.entries(parsed as object))).toEqual(
          new Map(Object.entries(expected as object)),
        );
      }),
      { seed: 7, numRuns: 1_000 },
    );
  });

  it('refuses what is no object', () => {
    for (const text of ['[]', '1', '', '{"a', '{"a":"b}', '{a:1}'])
      expect(() => replace(text, { a: 1 })).toThrow(SyntaxError);
  });
});

describe('findJsonMember', () => {
  const find = (text: string): string | null => {
    const value = findJsonMember(Buffer.from(text), 'a');
    return value === null ? null : Buffer.from(value).toString('utf8');
  };

  it('gives a value as it is written, the last one of repeated members', () => {
    expect(find('{"a":1, "a": {"b" : 2} ,"c":3}')).toBe('{"b" : 2}');
  });

  it('does not look inside other members', () => {
    expect(find('{"c":{"a":1}}')).toBe(null);
  });
});

describe('renameJsonMembers', () => {
  const rename = (text: string): string =>
    Buffer.from(renameJsonMembers(Buffer.from(text), { a: 'z' })).toString('utf8');

  it('leaves every other byte as it was', () => {
    expect(rename('{ "b":{"a":1}, "a" : 1e400 }')).toBe('{ "b":{"a":1}, "z" : 1e400 }');
    expect(rename('{"b":1}')).toBe('{"b":1}');
  });

  it('does not make two members of one name', () => {
    expect(rename('{"a":1,"z":2}')).toBe('{"a":1,"z":2}');
  });
});

describe('removeJsonMembers', () => {
  it('leaves the values of all others as they were written', () => {
    const text = '{ "a":1, "b" : {"a": 1e400},"a":2 , "c":[ ] }';
    expect(Buffer.from(removeJsonMembers(Buffer.from(text), ['a'])).toString('utf8')).toBe(
      '{"b" : {"a": 1e400},"c":[ ]}',
    );
    expect(Buffer.from(removeJsonMembers(Buffer.from('{"a":1}'), ['a'])).toString('utf8')).toBe('{}');
    expect(Buffer.from(removeJsonMembers(Buffer.from('{ "b":1 }'), ['a'])).toString('utf8')).toBe(
      '{ "b":1 }',
    );
  });
});
