import type { ErrorCode } from './errors.ts';

/**
 * A circuit breaker for one model at one account.
 *
 *   closed    ──5 failures in a row, or half of at least 20 within 10 s──▶ open
 *   open      ──its time is up, somebody asks──▶ half open: one probe goes out
 *   half open ──the probe fails──▶ open, for twice as long, 30 s at most
 *   half open ──the probe succeeds──▶ closed
 *   half open ──the probe is lost for 30 s──▶ half open: another probe goes out
 *
 * Invariants: while open nobody is let through; while half open one probe is under way; an outcome of a call
 * that began before the breaker opened never closes it.
 */
type State =
  | { name: 'closed' }
  | { name: 'open'; untilMs: number; openMs: number }
  | { name: 'half_open'; probeAtMs: number; openMs: number };

const CONSECUTIVE_FAILURES_MAX = 5;
const RATIO_CALLS_MIN = 20;
const RATIO_MAX = 0.5;
const RATIO_WINDOW_MS = 10_000;
const OPEN_FIRST_MS = 5_000;
const OPEN_MAX_MS = 30_000;
const PROBE_LOST_MS = 30_000;

/** What says that the target itself is in trouble, and not the request, the key or its limits. */
const TROUBLE: ReadonlySet<ErrorCode> = new Set([
  'server',
  'overloaded',
  'connection',
  'timeout',
  'cut_stream',
  'malformed_answer',
]);

export const isTrouble = (code: ErrorCode | null): boolean => code !== null && TROUBLE.has(code);

/** What says nothing of the target: the client left, or time ran out on our side. */
const SILENT: ReadonlySet<ErrorCode> = new Set(['cancelled', 'deadline_exceeded', 'unavailable', 'internal']);

export class Breaker {
  #state: State = { name: 'closed' };
  #inARow = 0;
  #windowStartMs = Number.NEGATIVE_INFINITY;
  #calls = 0;
  #failures = 0;

  get state(): State['name'] {
    return this.#state.name;
  }

  /** Whether the last call failed: another few and nobody is let through. */
  get isFailing(): boolean {
    return this.#inARow > 0;
  }

  /** When somebody may be let through; in the past for now. */
  get retryAtMs(): number {
    switch (this.#state.name) {
      case 'closed':
        return Number.NEGATIVE_INFINITY;
      case 'open':
        return this.#state.untilMs;
      case 'half_open':
        return this.#state.probeAtMs + PROBE_LOST_MS;
    }
  }

  /** Whether a call may be made; while not closed a `true` makes it the probe. */
  admit(nowMs: number): boolean {
    const state = this.#state;
    if (state.name === 'closed') return true;
    if (nowMs < this.retryAtMs) return false;
    this.#state = { name: 'half_open', probeAtMs: nowMs, openMs: state.openMs };
    return true;
  }

  /** The probe was not made after all. */
  abandonProbe(nowMs: number): void {
    if (this.#state.name === 'half_open') {
      this.#state = { name: 'open', untilMs: nowMs, openMs: this.#state.openMs };
    }
  }

  /** What came of a call that was admitted at that time. */
  record(code: ErrorCode | null, admittedAtMs: number, nowMs: number): void {
    const state = this.#state;
    const isProbe = state.name === 'half_open' && admittedAtMs >= state.probeAtMs;
    if (code !== null && SILENT.has(code)) {
      if (isProbe) this.abandonProbe(nowMs);
      return;
    }
    const failed = isTrouble(code);
    if (state.name === 'closed') this.#count(failed, nowMs);
    else if (isProbe && failed) this.#open(Math.min(OPEN_MAX_MS, state.openMs * 2), nowMs);
    else if (isProbe) this.#close();
  }

  #count(failed: boolean, nowMs: number): void {
    if (nowMs - this.#windowStartMs > RATIO_WINDOW_MS) {
      this.#windowStartMs = nowMs;
      this.#calls = 0;
      this.#failures = 0;
    }
    this.#calls += 1;
    this.#failures += failed ? 1 : 0;
    this.#inARow = failed ? this.#inARow + 1 : 0;
    const often = this.#calls >= RATIO_CALLS_MIN && this.#failures >= this.#calls * RATIO_MAX;
    if (this.#inARow >= CONSECUTIVE_FAILURES_MAX || often) this.#open(OPEN_FIRST_MS, nowMs);
  }

  #open(openMs: number, nowMs: number): void {
    this.#state = { name: 'open', untilMs: nowMs + openMs, openMs };
    this.#inARow = 0;
    this.#calls = 0;
    this.#failures = 0;
  }

  #close(): void {
    this.#state = { name: 'closed' };
  }
}
