/** A short selection of `npm run test:fuzz`. */
import { expect, it } from 'vitest';
import { runFuzz } from '#test/fuzz/run';

it('mutated streams, bodies and requests are taken or refused, and nothing else', () => {
  const { failures, cases, taken, refused } = runFuzz({ seed: 20_261_124, cases: 6_000 });
  expect(failures).toEqual([]);
  expect(cases).toBe(6_000);
  // Both kinds, so that neither the inputs are hopeless nor the decoders blind.
  expect(taken).toBeGreaterThan(500);
  expect(refused).toBeGreaterThan(500);
}, 60_000);
