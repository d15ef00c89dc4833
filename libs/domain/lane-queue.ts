import type { Lane } from '#contracts/vocabulary';
import { tokensOf, type CallCost } from './account-limits.ts';
import { WeightedFlows, type WeightedFlow } from './weighted-flows.ts';

export type Waiter = CallCost & {
  ticket: string;
  lane: Lane;
  /** Team and feature, each with its weight. */
  flow: WeightedFlow;
  /** Unix milliseconds. */
  deadlineAtMs: number;
  /** A failed call made again. */
  isRepeat?: boolean | undefined;
};

/** Those of one lane who wait for an account's room, in a fair order between its flows. */
export class LaneQueue {
  readonly #flows = new WeightedFlows<Waiter>();
  /** Whose turn it is, taken from the fair share and not granted yet. */
  #first: Waiter | null = null;
  readonly waiting = new Map<string, Waiter>();
  tokens = 0;

  add(waiter: Waiter): void {
    this.#flows.add(waiter.flow, tokensOf(waiter), waiter);
    this.waiting.set(waiter.ticket, waiter);
    this.tokens += tokensOf(waiter);
  }

  first(): Waiter | null {
    this.#first ??= this.#flows.next();
    return this.#first;
  }

  remove(waiter: Waiter): void {
    if (!this.waiting.delete(waiter.ticket)) return;
    this.tokens -= tokensOf(waiter);
    if (this.#first === waiter) this.#first = null;
    else this.#flows.remove(waiter.flow, waiter);
  }
}
