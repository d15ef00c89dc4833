import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  DecimalError,
  decodeUsd,
  encodeUsd,
  encodeUsdPerMillion,
  multiplyRate,
  ratePicoUsdFromUsdPerMillion,
} from './money.ts';

describe('money', () => {
  it.each([
    [0n, '0'],
    [1n, '0.000000000001'],
    [180_000_000n, '0.00018'],
    [12_000_000_000_000n, '12'],
    [-1_500_000_000_000n, '-1.5'],
  ])('writes %s pico-dollars as the shortest exact text', (picoUsd, text) => {
    expect(encodeUsd(picoUsd)).toBe(text);
    expect(decodeUsd(text)).toBe(picoUsd);
  });

  it('comes back unchanged for any amount a ledger can hold', () => {
    fc.assert(
      fc.property(fc.bigInt(-(2n ** 63n), 2n ** 63n - 1n), (amount) => {
        expect(decodeUsd(encodeUsd(amount))).toBe(amount);
      }),
    );
  });

  it.each(['', '.5', '1.', '1e3', '+1', ' 1', '1,5', 'NaN', '0x1', '1.0000000000001', '--1'])(
    'refuses %j instead of guessing',
    (text) => {
      expect(() => decodeUsd(text)).toThrow(DecimalError);
    },
  );

  it('turns USD per million tokens into pico-dollars per token', () => {
    expect(ratePicoUsdFromUsdPerMillion('0.15')).toBe(150_000n);
    expect(ratePicoUsdFromUsdPerMillion('0.000001')).toBe(1n);
    expect(encodeUsdPerMillion(150_000n)).toBe('0.15');
    expect(() => ratePicoUsdFromUsdPerMillion('0.0000001')).toThrow(DecimalError);
    expect(() => ratePicoUsdFromUsdPerMillion('-1')).toThrow(DecimalError);
  });

  it.each([
    [5n, '0.5', 2n],
    [15n, '0.5', 8n],
    [25n, '0.1', 2n],
    [35n, '0.1', 4n],
    [26n, '0.1', 3n],
    [3_000_000n, '1.1', 3_300_000n],
    [7n, '2', 14n],
  ])('rounds %s × %s half to even', (rate, multiplier, expected) => {
    expect(multiplyRate(rate, multiplier)).toBe(expected);
  });
});
