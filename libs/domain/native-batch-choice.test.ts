import { describe, expect, it } from 'vitest';
import { priceRateOf } from '#test/support/price-rates';
import { isCheaperInBatch, mayRunNative, readBatchMode } from './native-batch-choice.ts';

const DAY_MS = 86_400_000;
const rate = (component: string, tier: string, ratePicoUsd: bigint) =>
  priceRateOf({ component, tier, ratePicoUsd });
const STANDARD = [rate('input', 'standard', 10n), rate('output', 'standard', 40n)];
const HALF = [...STANDARD, rate('input', 'batch', 5n), rate('output', 'batch', 20n)];

describe('whether a batch is cheaper', () => {
  it.each([
    ['half of all', HALF, true],
    ['no batch rates', STANDARD, false],
    ['only what goes in', [...STANDARD, rate('input', 'batch', 5n)], false],
    ['the same', [...STANDARD, rate('input', 'batch', 10n), rate('output', 'batch', 40n)], false],
    [
      'one cheaper, one dearer',
      [...STANDARD, rate('input', 'batch', 5n), rate('output', 'batch', 41n)],
      false,
    ],
    ['an embedding’s one rate', [rate('input', 'standard', 10n), rate('input', 'batch', 5n)], true],
    ['nothing known', [], false],
  ])('%s', (_, rates, expected) => {
    expect(isCheaperInBatch(rates)).toBe(expected);
  });
});

describe('whether lines run native', () => {
  const asked = { mode: 'auto', windowMs: DAY_MS, hasDriver: true, rates: HALF } as const;
  it('by themselves with a day’s time and a better price', () => {
    expect(mayRunNative(asked)).toBe(true);
    expect(mayRunNative({ ...asked, windowMs: DAY_MS - 1 })).toBe(false);
    expect(mayRunNative({ ...asked, rates: STANDARD })).toBe(false);
  });

  it('where it is asked for, whatever the time and the price, but only where there is a batch API', () => {
    const native = { ...asked, mode: 'native', windowMs: 1, rates: [] } as const;
    expect(mayRunNative(native)).toBe(true);
    expect(mayRunNative({ ...native, hasDriver: false })).toBe(false);
    expect(mayRunNative({ ...asked, mode: 'queued' })).toBe(false);
  });
});

describe('the mode of one batch', () => {
  it('is the header’s, else the metadata’s, else nobody’s', () => {
    expect(readBatchMode({ 'x-flo2-batch-mode': 'native' }, { flo2_batch_mode: 'queued' })).toBe('native');
    expect(readBatchMode({}, { flo2_batch_mode: 'queued' })).toBe('queued');
    expect(readBatchMode({}, null)).toBeNull();
  });

  it('names what is wrong', () => {
    expect(() => readBatchMode({}, { flo2_batch_mode: 'fast' })).toThrow(/metadata\.flo2_batch_mode.*queued/);
  });
});
