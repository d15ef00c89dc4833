/** What one turn of the event loop gives to requests that have just come. */
const TURN_MS = 5;

/**
 * Begins requests in their order, a few milliseconds of them in a turn of the event loop, so that a crowd does not
 * keep the process from all else: refusals, answers on their way out, the queue. Bounded by what the gate lets in.
 */
export class Intake {
  #waiting: (() => Promise<void>)[] = [];
  #isScheduled = false;

  /** `begin` never rejects. */
  add(begin: () => Promise<void>): void {
    this.#waiting.push(begin);
    this.#schedule();
  }

  #schedule(): void {
    if (this.#isScheduled) return;
    this.#isScheduled = true;
    setImmediate(() => void this.#work());
  }

  async #work(): Promise<void> {
    const waiting = this.#waiting;
    this.#waiting = [];
    const untilMs = performance.now() + TURN_MS;
    let begun = 0;
    while (begun < waiting.length && (begun === 0 || performance.now() < untilMs)) {
      void waiting[begun]?.();
      begun += 1;
      // What a request does before it waits for anybody belongs to its turn.
      await Promise.resolve();
    }
    this.#waiting = begun < waiting.length ? [...waiting.slice(begun), ...this.#waiting] : this.#waiting;
    this.#isScheduled = false;
    if (this.#waiting.length > 0) this.#schedule();
  }
}
