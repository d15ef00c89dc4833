/**
 * A limit on silence that costs no timer for each piece: one is set, and looks when it fires how long the
 * reader has waited.
 */
export class ReadingLimit {
  readonly #idleMs: number;
  readonly #onSilent: () => void;
  #waitingSinceMs: number | null = null;
  #timer: NodeJS.Timeout | null = null;

  constructor(idleMs: number, onSilent: () => void) {
    this.#idleMs = idleMs;
    this.#onSilent = onSilent;
  }

  /** From now on the next piece is waited for. */
  begin(): void {
    this.#waitingSinceMs = performance.now();
    this.#timer ??= setTimeout(() => this.#look(), this.#idleMs);
  }

  /** It has come. */
  pause(): void {
    this.#waitingSinceMs = null;
  }

  stop(): void {
    this.#waitingSinceMs = null;
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timer = null;
  }

  #look(): void {
    this.#timer = null;
    if (this.#waitingSinceMs === null) {
      this.#timer = setTimeout(() => this.#look(), this.#idleMs);
      return;
    }
    const leftMs = this.#idleMs - (performance.now() - this.#waitingSinceMs);
    if (leftMs <= 0) this.#onSilent();
    else this.#timer = setTimeout(() => this.#look(), Math.ceil(leftMs));
  }
}
