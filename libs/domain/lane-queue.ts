import type { Lane } from '#contracts/vocabulary';
import { tokensOf, type CallCost } from './account-limits.ts';
import { FairShare } from './fair-share.ts';

export type Waiter = CallCost & {
  ticket: string;
  lane: Lane;
  /** Team and feature, each with its weight. */
  flow: readonly { name: string; weight: number }[];
  /** Unix milliseconds. */
  deadlineAtMs: number;
  /** A failed call made again. */
  isRepeat?: boolean | undefined;
};

/** A round of the fair share, in tokens: about what a common request costs. */
const QUANTUM_TOKENS = 1_000;
/** Weights of flows that are gone are dropped beyond this many. */
const WEIGHTS_MAX = 10_000;

/** Those of one lane who wait for an account's room, in a fair order between its flows. */
export class LaneQueue {
  readonly #weights = new Map<string, number>();
  readonly #share = new FairShare<Waiter>({
    quantum: QUANTUM_TOKENS,
    weightOf: (path) => this.#weights.get(path.join('\0')) ?? 1,
  });
  /** Whose turn it is, taken from the fair share and not granted yet. */
  #first: Waiter | null = null;
  readonly waiting = new Map<string, Waiter>();
  tokens = 0;

  add(waiter: Waiter): void {
    const names: string[] = [];
    for (const { name, weight } of waiter.flow) {
      names.push(name);
      this.#weights.set(names.join('\0'), weight);
    }
    if (this.#weights.size > WEIGHTS_MAX) this.#weights.clear();
    this.#share.add(names, tokensOf(waiter), waiter);
    this.waiting.set(waiter.ticket, waiter);
    this.tokens += tokensOf(waiter);
  }

  first(): Waiter | null {
    this.#first ??= this.#share.next();
    return this.#first;
  }

  remove(waiter: Waiter): void {
    if (!this.waiting.delete(waiter.ticket)) return;
    this.tokens -= tokensOf(waiter);
    if (this.#first === waiter) {
      this.#first = null;
      return;
    }
    const names = waiter.flow.map(({ name }) => name);
    this.#share.removeWhere(names, (other) => other === waiter);
  }
}
