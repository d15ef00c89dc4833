/**
 * Keeps the repetition of failed calls at a tenth of the load: each request pays a tenth of a repetition in,
 * each repetition takes a whole one out. Trying another key or target is no repetition: it is other load.
 *
 * Invariant: repetitions ≤ a tenth of the requests + what was in it at first.
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

  /** Whether one more repetition may be made; takes it out. */
  withdraw(): boolean {
    if (this.#saved < 1) return false;
    this.#saved -= 1;
    return true;
  }
}
