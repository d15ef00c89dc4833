/**
 * How many requests a process lets in, decided before it has looked at one: while there is more than it can work
 * on, what it takes on is answered as fast as at its best, and the rest is refused at next to no cost.
 *
 *   outside ──there is a place──▶ open ──its answer is over──▶ outside
 *      └──no place left for it──▶ refused, with a second to come again in
 *
 * The limit on what is open is found by trying, as TCP does: while the event loop comes late to its work it
 * shrinks by a tenth, as seen from what is open now; while it keeps up it grows by a fiftieth. So thousands of
 * slow streams, which cost nothing, stay open, and a flood that uses up the processor is held at what keeps it
 * busy. A caller may hold four times as many places as are left free, so one alone gets four fifths, and whoever
 * comes then finds room at once: with n that want all they can get, each gets 4 / (1 + 4n).
 *
 * Who is refused is given a second of his own to come again in: the next for which not as many were told to come
 * as half of what a second answers. So refusing never takes more than its part, and no crowd comes back as one.
 *
 * Invariants: `LIMIT_MIN` ≤ limit ≤ `LIMIT_MAX`; what has entered is counted until it leaves, once however often
 * that is said.
 */

/** Four fifths of it are one account's window of calls: enough to keep a machine busy. */
const LIMIT_MIN = 320;
const LIMIT_MAX = 10_000;
const SHRINK = 0.9;
const GROW = 1.02;
/** Of the places that are free, what one caller may hold. */
const SHARE = 4;
/** Work that waits so long for the event loop, on average, waits for the processor. */
const LATE_MS = 20;

const RETRY_AFTER_SECONDS_MAX = 30;
/** Refusals for each answer. */
const REFUSED_SHARE = 0.5;
const REFUSED_A_SECOND_MIN = 20;
const PACE_SMOOTHED_MS = 2_000;
const SECOND_MS = 1_000;

export class AdmissionGate {
  readonly #byCaller = new Map<string, number>();
  #open = 0;
  #limit = LIMIT_MAX;
  #left = 0;
  #answersASecond = 0;
  /** How many were told to come in each of the next seconds, by the second's number. */
  readonly #told = new Map<number, number>();

  get open(): number {
    return this.#open;
  }

  get limit(): number {
    return this.#limit;
  }

  /** Whether one more of this caller's may come in. */
  admits(caller: string): boolean {
    const free = this.#limit - this.#open;
    return free > 0 && (this.#byCaller.get(caller) ?? 0) < SHARE * free;
  }

  /** Counts a request in; the result counts it out. */
  enter(caller: string): () => void {
    this.#open += 1;
    this.#byCaller.set(caller, (this.#byCaller.get(caller) ?? 0) + 1);
    let isOpen = true;
    return () => {
      if (!isOpen) return;
      isOpen = false;
      this.#open -= 1;
      this.#left += 1;
      const others = (this.#byCaller.get(caller) ?? 1) - 1;
      if (others > 0) this.#byCaller.set(caller, others);
      else this.#byCaller.delete(caller);
    };
  }

  /** Whole seconds after which one who is refused now is to come again. */
  refuse(nowMs: number): number {
    const now = Math.floor(nowMs / SECOND_MS);
    for (const second of this.#told.keys()) if (second <= now) this.#told.delete(second);
    const most = Math.max(REFUSED_A_SECOND_MIN, this.#answersASecond * REFUSED_SHARE);
    let after = 1;
    while (after < RETRY_AFTER_SECONDS_MAX && (this.#told.get(now + after) ?? 0) >= most) after += 1;
    this.#told.set(now + after, (this.#told.get(now + after) ?? 0) + 1);
    return after;
  }

  /**
   * To be called several times a second, with how late the event loop came to what was due since the last time,
   * on average.
   */
  observe({ lateMs, elapsedMs }: { lateMs: number; elapsedMs: number }): void {
    const wanted = lateMs > LATE_MS ? Math.min(this.#limit, this.#open) * SHRINK : this.#limit * GROW;
    this.#limit = Math.round(Math.min(LIMIT_MAX, Math.max(LIMIT_MIN, wanted)));
    const pace = (this.#left * SECOND_MS) / elapsedMs;
    this.#answersASecond += (pace - this.#answersASecond) * Math.min(1, elapsedMs / PACE_SMOOTHED_MS);
    this.#left = 0;
  }
}
