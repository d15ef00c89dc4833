/**
 * How many lines of batches a worker begins in a second for a provider, so that who waits at a connection does not
 * notice them. While none waits, as many as there are slots for.
 *
 *   free ──an interactive request──▶ starting, at `BEGUN_MIN` a second
 *   starting ──all that may are begun, the event loop in time──▶ a twentieth more, twenty times a second
 *   starting ──the event loop late──▶ half of it, steady
 *   steady ──all that may are begun, the event loop in time──▶ `GROW_BY` more, twenty times a second
 *   steady ──the event loop late──▶ half of it
 *   starting, steady ──no interactive request for `QUIET_MS`──▶ free
 *
 * As TCP finds its rate. Where it grew by a twentieth throughout, it went past what the processor had to spare every
 * other second, and the slowest hundredth of the interactive requests took four times as long as alone.
 *
 * Begun in a second, not in hand: what a line costs the processor it costs once, however long its provider takes.
 * So behind a slow provider a batch goes on at full width, and before one that answers at once it takes what the
 * processor has to spare.
 *
 * Invariants: while yielding, at most one line or what the pace brought in `SAVED_MS` is begun at once, and
 * `BEGUN_MIN` a second may be begun however late the loop is.
 */

const BEGUN_MIN = 20;
const BEGUN_MAX = 10_000;
const GROW = 1.05;
const GROW_BY = 1;
const SHRINK = 0.5;
/** What an answer waits for the event loop is what its client sees. */
const LATE_MS = 0.5;
const QUIET_MS = 2_000;
const SAVED_MS = 20;
const SECOND_MS = 1_000;

export class BatchPace {
  #begunASecond = BEGUN_MIN;
  #isStarting = true;
  #saved = 0;
  #savedAtMs = 0;
  #wasShort = false;
  #interactiveAtMs = Number.NEGATIVE_INFINITY;

  get begunASecond(): number {
    return this.#begunASecond;
  }

  #isYielding(nowMs: number): boolean {
    return nowMs - this.#interactiveAtMs <= QUIET_MS;
  }

  /** A request came that somebody waits for. */
  noteInteractive(nowMs: number): void {
    if (!this.#isYielding(nowMs)) {
      this.#begunASecond = BEGUN_MIN;
      this.#isStarting = true;
      this.#saved = 0;
      this.#savedAtMs = nowMs;
    }
    this.#interactiveAtMs = nowMs;
  }

  /** How many lines may be begun now. */
  allowance(nowMs: number): number {
    if (!this.#isYielding(nowMs)) return Number.POSITIVE_INFINITY;
    const most = Math.max(1, (this.#begunASecond * SAVED_MS) / SECOND_MS);
    const brought = ((nowMs - this.#savedAtMs) * this.#begunASecond) / SECOND_MS;
    this.#saved = Math.min(most, this.#saved + brought);
    this.#savedAtMs = nowMs;
    this.#wasShort ||= this.#saved < 1;
    return Math.floor(this.#saved);
  }

  begin(count: number): void {
    this.#saved -= count;
  }

  /** They were not begun after all. */
  giveBack(count: number): void {
    this.#saved += count;
  }

  /** To be called twenty times a second, with how late the event loop came to what was due since then, on average. */
  observe({ lateMs, nowMs }: { lateMs: number; nowMs: number }): void {
    if (!this.#isYielding(nowMs)) return;
    if (lateMs > LATE_MS) {
      this.#begunASecond = Math.max(BEGUN_MIN, this.#begunASecond * SHRINK);
      this.#isStarting = false;
    } else if (this.#wasShort) {
      const grown = this.#isStarting ? this.#begunASecond * GROW : this.#begunASecond + GROW_BY;
      this.#begunASecond = Math.min(BEGUN_MAX, grown);
    }
    this.#wasShort = false;
  }
}
