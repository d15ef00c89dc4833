import type { IdByPrefix } from '#contracts/ids';
import { encodeIdTime } from './id-time.ts';

const ALPHABET = '0123456789abcdefghjkmnpqrstvwxyz';
const RANDOM_CHARACTERS = 16;

/** Where ids get their time and randomness; tests pass fixed ones. */
export type IdSource = {
  /** Unix milliseconds. */
  nowMs: () => number;
  /** Fills the array with random bytes. */
  fillRandom: (bytes: Uint8Array) => void;
};

/** Mints ids whose text sorts by their time (see `libs/contracts/ids.ts`). */
export class IdMint {
  readonly #source: IdSource;
  readonly #bytes = new Uint8Array(RANDOM_CHARACTERS);

  constructor(source: IdSource) {
    this.#source = source;
  }

  mint<Prefix extends keyof IdByPrefix>(prefix: Prefix): IdByPrefix[Prefix] {
    const timeText = encodeIdTime(this.#source.nowMs());
    this.#source.fillRandom(this.#bytes);
    let randomText = '';
    for (const byte of this.#bytes) randomText += ALPHABET[byte & 31];
    return `${prefix}_${timeText}${randomText}` as IdByPrefix[Prefix];
  }
}
