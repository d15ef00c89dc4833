import { expect, it } from 'vitest';
import { openResult, sealResult } from './result-seal.ts';

const place = Buffer.from('a place');
const sealed = sealResult('flo2_key', place, Buffer.from('what was answered'));

it('opens for the same API key, in the same place', () => {
  expect(openResult('flo2_key', place, sealed)?.toString()).toBe('what was answered');
  expect(sealed.toString('latin1')).not.toContain('answered');
});

it('opens for no other key or place, nor changed', () => {
  const changed = Buffer.from(sealed);
  changed[20] = (changed[20] ?? 0) ^ 1;
  expect(openResult('flo2_other', place, sealed)).toBeNull();
  expect(openResult('flo2_key', Buffer.from('another'), sealed)).toBeNull();
  expect(openResult('flo2_key', place, changed)).toBeNull();
  expect(openResult('flo2_key', place, Buffer.from('short'))).toBeNull();
});
