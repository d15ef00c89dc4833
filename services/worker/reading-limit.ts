/**
 * A limit on silence that costs no timer for each piece: one is set, and looks when it fires how long the
 * reader has waited. A process that was held up itself finds its timers due before it has read what came
 * meanwhile, so the sockets are read once more before anybody is taken for silent.
 */
export class ReadingLimit {
  readonly #idleMs: number;
  readonly #onSilent: () => void;
  #waitingSinceMs: number | null = null;
  #timer: NodeJS.Timeout | null = null;
  #lastReading: NodeJS.Immediate | null = null;

  constructor(idleMs: number, onSilent: () => void) {
    this.#idleMs = idleMs;
    this.#onSilent = onSilent;
  }

  /** From now on the next piece is waited for. */
  begin(): void {
    this.#waitingSinceMs = performance.now();
    if (this.#lastReading === null) this.#timer ??= setTimeout(() => this.#look(), this.#idleMs);
  }

  /** It has come. */
  pause(): void {
    this.#waitingSinceMs = null;
  }

  stop(): void {
    this.#waitingSinceMs = null;
    if (this.#timer !== null) clearTimeout(this.#timer);
    if (this.#lastReading !== null) clearImmediate(this.#lastReading);
    this.#timer = null;
    this.#lastReading = null;
  }

  #look(): void {
    this.#timer = null;
    if (this.#waitingSinceMs === null) {
      this.#timer = setTimeout(() => this.#look(), this.#idleMs);
      return;
    }
    const leftMs = this.#idleMs - (performance.now() - this.#waitingSinceMs);
    if (leftMs > 0) this.#timer = setTimeout(() => this.#look(), Math.ceil(leftMs));
    else this.#lastReading = setImmediate(() => this.#lookAgain());
  }

  #lookAgain(): void {
    this.#lastReading = null;
    const isSilent =
      this.#waitingSinceMs !== null && performance.now() - this.#waitingSinceMs >= this.#idleMs;
    if (isSilent) this.#onSilent();
    else this.#look();
  }
}
