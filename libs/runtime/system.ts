/** The machine's own time and randomness, handed to everything that asks for them as arguments. */
import { getRandomValues } from 'node:crypto';
import { IdMint } from '#domain/mint-id';
import type { Clock } from '#domain/ports';

export const systemClock: Clock = { nowMs: () => Date.now() };

const POOL_BYTES = 4_096;

/** Mints ids from the system's clock and its random source, which is asked for many bytes at once. */
export const createSystemMint = (): IdMint => {
  const pool = new Uint8Array(POOL_BYTES);
  let used = POOL_BYTES;
  return new IdMint({
    nowMs: systemClock.nowMs,
    fillRandom: (bytes) => {
      if (used + bytes.length > POOL_BYTES) {
        getRandomValues(pool);
        used = 0;
      }
      bytes.set(pool.subarray(used, used + bytes.length));
      used += bytes.length;
    },
  });
};
