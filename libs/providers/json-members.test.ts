import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { FloError } from '#domain/errors';
import { findJsonMember, replaceJsonMembers } from './json-members.ts';

const bytesOf = (text: string): Uint8Array => new TextEncoder().encode(text);
const textOf = (bytes: Uint8Array | null): string | null =>
  bytes === null ? null : new TextDecoder('utf-8', { ignoreBOM: true }).decode(bytes);
const replaced = (body: string, members: Record<string, unknown>): string | null =>
  textOf(replaceJsonMembers(bytesOf(body), members));

describe('replacing members of a JSON object', () => {
  it('leaves every other byte as it was', () => {
    expect(
      replaced(' {\n "seed" : 12345678901234567890 ,\t"model": "a",  "x":[1.0, {"model":"in"}] }\n', {
        model: 'b',
      }),
    ).toBe(' {\n "seed" : 12345678901234567890 ,\t"model": "b",  "x":[1.0, {"model":"in"}] }\n');
  });

  it('adds what is not there at the end', () => {
    expect(replaced('{"a":1 }', { model: 'm', n: null })).toBe('{"a":1 ,"model":"m","n":null}');
    expect(replaced('{ }', { model: 'm', n: 1 })).toBe('{ "model":"m","n":1}');
  });

  it('takes bytes for JSON', () => {
    expect(replaced('{"a":1}', { a: bytesOf('1e400') })).toBe('{"a":1e400}');
  });

  it('replaces a key that stands twice, escaped or not, each time', () => {
    expect(replaced(String.raw`{"model":"a","mod\u0065l":"b","model":{"c":[]}}`, { model: 'z' })).toBe(
      String.raw`{"model":"z","mod\u0065l":"z","model":"z"}`,
    );
  });

  it('is not misled by quotes, braces and backslashes in strings', () => {
    expect(replaced(String.raw`{"a":"\\\"}{,","model":"\\","b":"]"}`, { model: 'z' })).toBe(
      String.raw`{"a":"\\\"}{,","model":"z","b":"]"}`,
    );
  });

  it('drops a byte order mark', () => {
    expect(replaced('\uFEFF{"model":1}', { model: 2 })).toBe('{"model":2}');
  });

  it('refuses what is no object', () => {
    const broken = ['', ' ', '[]', '"a"', '{', '{"a', '{"a"', '{"a":', '{"a":1', '{a:1}', '{"a" 1}'];
    for (const body of broken) {
      const run = (): unknown => replaceJsonMembers(bytesOf(body), { model: 'm' });
      expect(run, body).toThrow(FloError);
    }
  });

  it('agrees with parsing, changing and writing again, for any object and any spacing', () => {
    const name = fc.oneof(fc.constantFrom('model', 'stream_options', '__proto__'), fc.string());
    const object = fc.dictionary(name, fc.jsonValue(), { maxKeys: 6 });
    const space = fc.constantFrom(undefined, 1, '\t');
    fc.assert(
      fc.property(object, space, object, (body, spacing, members) => {
        const text = JSON.stringify(body, null, spacing);
        const result: unknown = JSON.parse(replaced(text, members) ?? '');
        const expected = new Map([...Object.entries(body), ...Object.entries(members)]);
        const normal = (value: unknown): unknown => JSON.parse(JSON.stringify(value));
        expect(new Map(Object.entries(result as object))).toEqual(
          new Map([...expected].map(([key, value]) => [key, normal(value)])),
        );
        expect(replaced(text, {})).toBe(text);
      }),
      { seed: 7, numRuns: 500 },
    );
  });
});

describe('finding a member of a JSON object', () => {
  it('gives the bytes of its value, the last one where there are several', () => {
    expect(textOf(findJsonMember(bytesOf('{"a":1, "a": {"b" : 2} ,"c":3}'), 'a'))).toBe('{"b" : 2}');
    expect(findJsonMember(bytesOf('{"c":{"a":1}}'), 'a')).toBe(null);
  });
});
