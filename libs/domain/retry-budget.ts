/**
 * Keeps the repetition of failed calls at a tenth of the load: each call pays a tenth of a repetition in, each
 * repetition takes a whole one out. Each bucket has one, at the worker that owns it, so it holds for an account and a
 * family of models whatever the number of workers. Trying another key or target is no repetition: it is other load.
 *
 * Invariant: repetitions ≤ a tenth of the other calls + `FIRST`, since the bucket has its owner.
 */
const SHARE = 0.1;
/** So that a lone request may be repeated too. */
const FIRST = 3;
/** What a quiet time saves up must not become a storm. */
const SAVED_MAX = 50;

export class RetryBudget {
  #saved = FIRST;

  deposit(): void {
    this.#saved = Math.min(SAVED_MAX, this.#saved + SHARE);
  }

  get allows(): boolean {
    return this.#saved >= 1;
  }

  /** Whether one more repetition may be made; takes it out. */
  withdraw(): boolean {
    if (!this.allows) return false;
    this.#saved -= 1;
    return true;
  }
}
