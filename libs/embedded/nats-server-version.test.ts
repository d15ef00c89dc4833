import { describe, expect, it } from 'vitest';
import { compareVersions, decodeVersion, encodeVersion, NATS_SERVER_FLOOR } from './nats-server-version.ts';

describe('decodeVersion', () => {
  it.each([
    ['nats-server: v2.14.5\n', [2, 14, 5]],
    ['nats-server: 2.10.27', [2, 10, 27]],
    ['nats-server: v2.12.0-RC.3', [2, 12, 0]],
  ])('reads %j', (text, expected) => {
    expect(decodeVersion(text)).toEqual(expected);
  });
  it.each(['', 'nats-server', '2.10', '1.2.3.4', 'v99999.1.1'])('finds none in %j', (text) => {
    expect(decodeVersion(text)).toBeNull();
  });
});

describe('compareVersions', () => {
  it('orders by number, not by letter', () => {
    const versions = [[2, 9, 10] as const, [2, 10, 0] as const, [2, 10, 27] as const, [3, 0, 0] as const];
    expect(versions.toReversed().sort(compareVersions)).toEqual(versions);
    expect(compareVersions([2, 10, 0], NATS_SERVER_FLOOR)).toBe(0);
  });
});

it('writes a version as it reads it', () => {
  expect(decodeVersion(encodeVersion([2, 15, 1]))).toEqual([2, 15, 1]);
});
