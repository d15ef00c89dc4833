import { describe, expect, it } from 'vitest';
import { isSameKey, readCallerKey } from './caller-key.ts';

describe('the key a caller shows', () => {
  it.each([
    [{ authorization: 'Bearer one' }, 'one'],
    [{ authorization: 'bearer  one' }, 'one'],
    [{ 'x-api-key': 'two' }, 'two'],
    [{ 'x-goog-api-key': 'three' }, 'three'],
    [{ authorization: 'Bearer one', 'x-api-key': 'two' }, 'one'],
    [{ authorization: 'Basic abc', 'x-api-key': 'two' }, 'two'],
    [{ authorization: 'Bearer ' }, null],
    [{ authorization: 'Bearer one two' }, null],
    [{ 'x-api-key': '' }, null],
    [{}, null],
  ])('in %j is %j', (headers, key) => {
    expect(readCallerKey(headers)).toBe(key);
  });

  it('is the same only when every character is', () => {
    expect(isSameKey('secret', 'secret')).toBe(true);
    expect(isSameKey('secret', 'secreT')).toBe(false);
    expect(isSameKey('secret', 'secret ')).toBe(false);
    expect(isSameKey('', 'secret')).toBe(false);
  });
});
