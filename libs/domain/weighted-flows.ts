import { FairShare } from './fair-share.ts';

/** Names from the outermost share inwards, each with its weight among its neighbours. */
export type WeightedFlow = readonly { name: string; weight: number }[];

/** A flow's part of a round, in tokens: about what a common request costs. */
const QUANTUM_TOKENS = 1_000;
/** Weights of flows that are gone are dropped beyond this many. */
const WEIGHTS_MAX = 10_000;

/** Who waits, in a fair order between flows that bring their weights along; the last one told counts. */
export class WeightedFlows<Item> {
  readonly #weights = new Map<string, number>();
  readonly #share = new FairShare<Item>({
    quantum: QUANTUM_TOKENS,
    weightOf: (path) => this.#weights.get(path.join('\0')) ?? 1,
  });

  get size(): number {
    return this.#share.size;
  }

  add(flow: WeightedFlow, tokens: number, item: Item): void {
    if (this.#weights.size > WEIGHTS_MAX) this.#weights.clear();
    const names: string[] = [];
    for (const { name, weight } of flow) {
      names.push(name);
      this.#weights.set(names.join('\0'), weight);
    }
    this.#share.add(names, tokens, item);
  }

  /** Takes out whose turn it is; null when nobody waits. */
  next(): Item | null {
    return this.#share.next();
  }

  /** Whether it was there. */
  remove(flow: WeightedFlow, item: Item): boolean {
    const names = flow.map(({ name }) => name);
    return this.#share.removeWhere(names, (other) => other === item) > 0;
  }
}
