/** What else may hold work back, besides the slots. */
export type Pace = {
  /** How much may be begun now. */
  allowance: () => number;
  begin: (count: number) => void;
  giveBack: (count: number) => void;
};

type Waiting = { max: number; isOne: boolean; resolve: () => void };

/** A worker's bound on what it does at once, and on how fast it begins. */
export class Slots {
  readonly #total: number;
  readonly #pace: Pace | null;
  #free: number;
  #waiting: Waiting[] = [];

  constructor(total: number, pace: Pace | null = null) {
    this.#total = total;
    this.#pace = pace;
    this.#free = total;
  }

  #mayTake(): number {
    return this.#pace === null ? this.#free : Math.min(this.#free, this.#pace.allowance());
  }

  #take(count: number): void {
    this.#free -= count;
    this.#pace?.begin(count);
  }

  /** A fair part, so that a busy worker does not pull its work one by one; a paced one begins little at a time. */
  #wanted({ max, isOne }: Pick<Waiting, 'max' | 'isOne'>): number {
    const isPaced = this.#pace !== null && this.#pace.allowance() < this.#free;
    return isOne || isPaced ? 1 : Math.min(max, Math.max(1, Math.floor(this.#total / 16)));
  }

  /** Waits until a fair part is free, and takes what is, `max` at most. */
  async reserve(max: number): Promise<number> {
    while (this.#mayTake() < this.#wanted({ max, isOne: false })) {
      await new Promise<void>((resolve) => this.#waiting.push({ max, isOne: false, resolve }));
    }
    const reserved = Math.min(max, this.#mayTake());
    this.#take(reserved);
    return reserved;
  }

  /** Waits for one, before who waits for more. */
  async take(): Promise<void> {
    while (this.#mayTake() < 1) {
      await new Promise<void>((resolve) => this.#waiting.unshift({ max: 1, isOne: true, resolve }));
    }
    this.#take(1);
  }

  /** What was done in them is over. */
  release(count: number): void {
    this.#free += count;
    this.wake();
  }

  /** Nothing was begun in them. */
  giveBack(count: number): void {
    this.#pace?.giveBack(count);
    this.release(count);
  }

  /** The pace may allow more. */
  wake(): void {
    if (this.#waiting.length === 0) return;
    const mayTake = this.#mayTake();
    const ready = this.#waiting.filter((waiting) => this.#wanted(waiting) <= mayTake);
    if (ready.length === 0) return;
    this.#waiting = this.#waiting.filter((waiting) => !ready.includes(waiting));
    for (const { resolve } of ready) resolve();
  }
}
