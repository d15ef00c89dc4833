/**
 * How many calls an account takes at once, found by trying: additive increase, multiplicative decrease.
 *
 *   starting ──success while at least half is used──▶ starting, one more (doubles in each round of calls)
 *   starting | steady ──congestion──▶ steady, to seven tenths, at most once a second
 *   starting ──a rate is known──▶ steady, at the ceiling
 *   steady   ──success while at least half is used──▶ steady, one more in each round of calls
 *   any, at the ceiling ──the ceiling is raised──▶ starting
 *
 * Invariants: floor ≤ limit ≤ ceiling; it never grows while callers leave half of it unused, so a quiet
 * account is not let loose by its quiet; any number of congestion signs within a second count as one.
 */
export type AdaptiveConcurrencyOptions = {
  /** The tenant's own word, or what one account may have of the workers. */
  ceiling: number;
  /** What was found before. @default 8: the smallest buckets seen at providers hold about as many */
  limit?: number | undefined;
  starting?: boolean | undefined;
};

const START = 8;
const FLOOR = 1;
const DECREASE = 0.7;
const DECREASE_INTERVAL_MS = 1_000;

export class AdaptiveConcurrency {
  #ceiling: number;
  #limit: number;
  #starting: boolean;
  #decreasedAtMs = Number.NEGATIVE_INFINITY;

  constructor({ ceiling, limit = START, starting = true }: AdaptiveConcurrencyOptions) {
    this.#ceiling = Math.max(FLOOR, ceiling);
    this.#limit = Math.min(Math.max(FLOOR, limit), this.#ceiling);
    this.#starting = starting;
  }

  /** Calls at once, a whole number. */
  get limit(): number {
    return Math.floor(this.#limit);
  }

  get starting(): boolean {
    return this.#starting;
  }

  setCeiling(ceiling: number): void {
    const isHeldByIt = this.#limit >= this.#ceiling;
    this.#ceiling = Math.max(FLOOR, ceiling);
    this.#limit = Math.min(this.#limit, this.#ceiling);
    // Not the provider kept it there: what more it takes is tried out anew.
    if (isHeldByIt && this.#limit < this.#ceiling) this.#starting = true;
  }

  /** Something better than trying holds the calls back. */
  trust(): void {
    if (!this.#starting) return;
    this.#starting = false;
    this.#limit = this.#ceiling;
  }

  /** A call went well while so many were under way, itself included. */
  succeeded(inFlight: number): void {
    if (inFlight * 2 < this.#limit) return;
    this.#limit = Math.min(this.#ceiling, this.#limit + (this.#starting ? 1 : 1 / this.#limit));
  }

  /** The provider said that it was too much. */
  congested(nowMs: number): void {
    this.#starting = false;
    if (nowMs - this.#decreasedAtMs < DECREASE_INTERVAL_MS) return;
    this.#decreasedAtMs = nowMs;
    this.#limit = Math.max(FLOOR, this.#limit * DECREASE);
  }
}
