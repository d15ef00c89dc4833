/** The median of the last few numbers: what is usual now, whatever the odd one does. */
const KEPT = 31;

export class RecentMedian {
  readonly #last: number[] = [];
  #next = 0;
  #value: number | null = null;

  add(value: number): void {
    this.#last[this.#next] = value;
    this.#next = (this.#next + 1) % KEPT;
    this.#value = null;
  }

  /** Null before the first number. */
  value(): number | null {
    if (this.#value === null && this.#last.length > 0) {
      const sorted = this.#last.toSorted((one, other) => one - other);
      this.#value = sorted[Math.floor(sorted.length / 2)] ?? null;
    }
    return this.#value;
  }
}
