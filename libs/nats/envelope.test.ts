import fc from 'fast-check';
import { expect, it } from 'vitest';
import { decodeEnvelope, encodeEnvelope, EnvelopeError } from './envelope.ts';

it('gives back header and bytes', () => {
  fc.assert(
    fc.property(fc.jsonValue(), fc.uint8Array({ maxLength: 5_000 }), (value, bytes) => {
      const decoded = decodeEnvelope(encodeEnvelope(value, bytes));
      expect(decoded.header).toEqual(JSON.parse(JSON.stringify(value)));
      expect(Buffer.from(decoded.bytes).equals(bytes)).toBe(true);
    }),
  );
});

it('refuses anything else by its own error', () => {
  const whole = encodeEnvelope({ a: 'value' });
  for (const bytes of [
    new Uint8Array(),
    whole.subarray(0, 3),
    whole.subarray(0, whole.length - 1),
    Uint8Array.of(0, 0, 0, 1, 0x7b),
    Uint8Array.of(0, 0, 0, 1, 0xff),
    Uint8Array.of(255, 255, 255, 255),
  ]) {
    expect(() => decodeEnvelope(bytes)).toThrow(EnvelopeError);
  }
});
