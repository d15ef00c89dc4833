/**
 * One limit of a provider account (requests or tokens in a window) as seen from our side: it fills with time,
 * calls spend from it, and what the provider's headers say corrects it.
 *
 * States are a level and nothing else:
 *
 *   refill   level grows by limit ÷ window with time, up to the capacity
 *   spend    level falls by the cost, below zero where a call turned out dearer than it was taken for (debt)
 *   learn    a header is believed at once where it says less than the level
 *
 * Invariants: the level never exceeds the capacity; without `learn`, what is spent in any stretch of time is at
 * most capacity + limit × stretch ÷ window, debts aside; a cost over the capacity waits for a full bucket
 * instead of for ever.
 *
 * Providers count in ways that they do not tell: a bucket that refills, of any size, or windows that begin on the
 * minute or slide. So it starts almost empty and refills a little slower than the limit, which fits all of them;
 * a margin is kept below what the headers say, as calls overtake each other; and the capacity shrinks to what
 * was seen.
 */
export type TokenBucketOptions = {
  /** What the provider allows in a window. */
  limit: number;
  windowMs: number;
  nowMs: number;
  /** What is in it at first. @default a second's worth, and one call's at least */
  level?: number | undefined;
};

/** What a header says, and what was spent here since the call that brought it was let go. */
export type BucketReading = {
  remaining: number | null;
  spentSince: number;
  /** How long ago that was; the provider has refilled since. */
  ageMs: number;
};

/** Of the limit, kept free at the provider for calls that overtake each other on their way. */
const MARGIN_SHARE = 0.02;
/** Of the limit, what is used of it in the long run: in no window of the provider's more than it allows. */
const PACE_SHARE = 0.98;
const START_MS = 1_000;
/** A header that allows this part of the limit less than we thought shows a smaller bucket than the limit. */
const SHRINK_SHARE = 0.25;

export class TokenBucket {
  #limit: number;
  #windowMs: number;
  /** What the provider seems to hold at most. */
  #ceiling: number;
  #level: number;
  #updatedAtMs: number;
  #spent = 0;
  readonly #startLevel: number;
  readonly #startedAtMs: number;
  /** Whether a header has said what is left. */
  #isTold = false;

  constructor({ limit, windowMs, nowMs, level }: TokenBucketOptions) {
    this.#limit = limit;
    this.#windowMs = windowMs;
    this.#ceiling = limit;
    this.#level = Math.min(this.capacity, level ?? Math.max(1, (limit * START_MS) / windowMs));
    this.#updatedAtMs = nowMs;
    this.#startLevel = this.#level;
    this.#startedAtMs = nowMs;
  }

  get limit(): number {
    return this.#limit;
  }

  get windowMs(): number {
    return this.#windowMs;
  }

  /** The most that is ever spent at once. */
  get capacity(): number {
    return this.#ceiling - this.#margin();
  }

  /** All that was ever spent, refunds not counted; the difference of two moments is what was spent between them. */
  get spent(): number {
    return this.#spent;
  }

  #margin(): number {
    return Math.min(this.#limit * MARGIN_SHARE, this.#ceiling / 4);
  }

  #ratePerMs(): number {
    return (this.#limit * PACE_SHARE) / this.#windowMs;
  }

  /** How long so much takes to come in. */
  paceMs(cost: number): number {
    return this.#limit === 0 ? Number.POSITIVE_INFINITY : cost / this.#ratePerMs();
  }

  level(nowMs: number): number {
    const elapsedMs = Math.max(0, nowMs - this.#updatedAtMs);
    this.#level = Math.min(this.capacity, this.#level + elapsedMs * this.#ratePerMs());
    this.#updatedAtMs = Math.max(this.#updatedAtMs, nowMs);
    return this.#level;
  }

  /**
   * Such a part of what it holds when full; until it has had the time to fill once, of what has come in. Else who
   * leaves a part to others would begin with waiting until that part is there.
   */
  partOf(share: number, nowMs: number): number {
    const cameIn = this.#startLevel + Math.max(0, nowMs - this.#startedAtMs) * this.#ratePerMs();
    return share * Math.min(this.capacity, cameIn);
  }

  /** How long until the cost may be spent and `reserve` is still in it; 0 for now. */
  waitMs(cost: number, nowMs: number, reserve = 0): number {
    const missing = Math.min(cost + reserve, this.capacity) - this.level(nowMs);
    if (missing <= 0) return 0;
    return Math.ceil(this.paceMs(missing));
  }

  /** Also where there is not enough: the rest is a debt. A negative cost gives back. */
  spend(cost: number, nowMs: number): void {
    this.#level = Math.min(this.capacity, this.level(nowMs) - cost);
    this.#spent += cost;
  }

  /** Makes good what a call was taken for too much, or too little where negative; it stays spent. */
  refund(cost: number, nowMs: number): void {
    this.#level = Math.min(this.capacity, this.level(nowMs) + cost);
  }

  /** Nothing is left at the provider, whatever we thought. */
  empty(nowMs: number): void {
    this.#level = Math.min(0, this.level(nowMs));
  }

  /** Takes a limit that was declared or read anew; what is in it stays. */
  resize(limit: number, windowMs: number, nowMs: number): void {
    if (limit === this.#limit && windowMs === this.#windowMs) return;
    this.level(nowMs);
    this.#limit = limit;
    this.#windowMs = windowMs;
    this.#ceiling = limit;
    this.#level = Math.min(this.#level, this.capacity);
  }

  learn({ remaining, spentSince, ageMs }: BucketReading, nowMs: number): void {
    if (remaining === null) return;
    const level = this.level(nowMs);
    // What is left and what we have used is the most that the provider can have held when we began.
    if (!this.#isTold) this.#ceiling = Math.min(this.#limit, Math.max(1, remaining + this.#spent));
    this.#isTold = true;
    const held = remaining + Math.max(0, ageMs) * this.#ratePerMs() - Math.max(0, spentSince);
    const allowed = Math.min(held, this.#ceiling) - this.#margin();
    if (allowed < level) {
      if (level - allowed > this.#limit * SHRINK_SHARE) this.#ceiling = Math.max(1, remaining);
      this.#level = Math.min(allowed, this.capacity);
    } else {
      this.#ceiling = Math.min(this.#limit, Math.max(this.#ceiling, remaining));
    }
  }
}
