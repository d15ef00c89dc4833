/**
 * Weighted deficit round robin over a tree of named flows: tenants share by their weights, and what a tenant
 * gets its teams and features share by theirs. Cost is whatever the caller counts (estimated tokens), so who
 * asks for much at once is served less often, not more.
 *
 *   root ──▶ tenant ──▶ team ──▶ feature ──▶ first in, first out
 *
 * Each visit to a flow adds its quantum, `quantum × weight`, to its deficit; while the deficit covers the cost
 * of its first item the item is served. A flow that runs empty loses its deficit: nobody saves up while they
 * want nothing. So a newcomer waits for at most one quantum of each flow that was there before it.
 */

/** Names from the root down, all of one depth within one instance: `[tenant, team, feature]`. */
export type FlowPath = readonly string[];

export type FairShareOptions = {
  /** What a flow of weight 1 is served in one round, in the unit of the costs. */
  quantum: number;
  /** Asked at each visit, so a changed weight counts from the next round. Positive; the path may be partial. */
  weightOf: (path: FlowPath) => number;
};

/** Keeps a weight of 0 or below from stopping the round. */
const WEIGHT_MIN = 0.001;

type Entry<Item> = { cost: number; item: Item };

/** First in, first out. */
class Leaf<Item> {
  #entries: Entry<Item>[] = [];
  #first = 0;

  get size(): number {
    return this.#entries.length - this.#first;
  }

  add(entry: Entry<Item>): void {
    this.#entries.push(entry);
  }

  peekCost(): number | null {
    return this.#entries[this.#first]?.cost ?? null;
  }

  take(): Item | null {
    const entry = this.#entries[this.#first];
    if (entry === undefined) return null;
    this.#first += 1;
    // Taken ones are cut off in blocks: each cut copies what is left.
    if (this.#first > 64 && this.#first * 2 > this.#entries.length) {
      this.#entries = this.#entries.slice(this.#first);
      this.#first = 0;
    }
    return entry.item;
  }

  removeWhere(matches: (item: Item) => boolean): number {
    const before = this.size;
    this.#entries = this.#entries.slice(this.#first).filter(({ item }) => !matches(item));
    this.#first = 0;
    return before - this.size;
  }
}

type Child<Item> = { path: FlowPath; node: Branch<Item> | Leaf<Item>; deficit: number };

/** One level of the tree. `#ring` holds the children that have something to be served, the next one first. */
class Branch<Item> {
  readonly #options: FairShareOptions;
  readonly #path: FlowPath;
  readonly #children = new Map<string, Child<Item>>();
  readonly #ring = new Set<Child<Item>>();
  size = 0;

  constructor(options: FairShareOptions, path: FlowPath) {
    this.#options = options;
    this.#path = path;
  }

  add(rest: FlowPath, entry: Entry<Item>): void {
    const [name = '', ...below] = rest;
    const child = this.#childOf(name, below.length > 0);
    if (child.node instanceof Leaf) child.node.add(entry);
    else child.node.add(below, entry);
    this.size += 1;
    if (!this.#ring.has(child)) {
      child.deficit = this.#quantumOf(child);
      this.#ring.add(child);
    }
  }

  #childOf(name: string, isBranch: boolean): Child<Item> {
    const known = this.#children.get(name);
    if (known !== undefined) return known;
    const path = [...this.#path, name];
    const node = isBranch ? new Branch<Item>(this.#options, path) : new Leaf<Item>();
    const child = { path, node, deficit: 0 };
    this.#children.set(name, child);
    return child;
  }

  #quantumOf({ path }: Child<Item>): number {
    return this.#options.quantum * Math.max(WEIGHT_MIN, this.#options.weightOf(path));
  }

  /** Turns the round until the first of the ring can be served; null when there is nothing. */
  peekCost(): number | null {
    let passed = 0;
    for (;;) {
      const [first] = this.#ring;
      if (first === undefined) return null;
      const cost = first.node.peekCost() ?? 0;
      if (first.deficit >= cost) return cost;
      first.deficit += this.#quantumOf(first);
      this.#ring.delete(first);
      this.#ring.add(first);
      passed += 1;
      if (passed === this.#ring.size) {
        this.#skipRounds();
        passed = 0;
      }
    }
  }

  /** After a round that served nobody: all the rounds at once that would serve nobody either. */
  #skipRounds(): void {
    let rounds = Number.POSITIVE_INFINITY;
    for (const child of this.#ring) {
      const missing = (child.node.peekCost() ?? 0) - child.deficit;
      rounds = Math.min(rounds, Math.max(0, Math.ceil(missing / this.#quantumOf(child)) - 1));
    }
    for (const child of this.#ring) child.deficit += rounds * this.#quantumOf(child);
  }

  take(): Item | null {
    const cost = this.peekCost();
    const [first] = this.#ring;
    if (cost === null || first === undefined) return null;
    const item = first.node.take();
    first.deficit -= cost;
    this.size -= 1;
    if (first.node.size === 0) this.#forget(first);
    return item;
  }

  /** Removes what matches below a path; the empty path is everything. */
  removeWhere(rest: FlowPath, matches: (item: Item) => boolean): number {
    let removed = 0;
    for (const [name, child] of this.#children) {
      if (rest.length > 0 && rest[0] !== name) continue;
      removed +=
        child.node instanceof Leaf
          ? child.node.removeWhere(matches)
          : child.node.removeWhere(rest.slice(1), matches);
      if (child.node.size === 0) this.#forget(child);
    }
    this.size -= removed;
    return removed;
  }

  #forget(child: Child<Item>): void {
    this.#ring.delete(child);
    this.#children.delete(child.path.at(-1) ?? '');
  }
}

/** Waiting items, served in a fair order. Holds what it is given: the caller bounds it. */
export class FairShare<Item> {
  readonly #root: Branch<Item>;

  constructor(options: FairShareOptions) {
    this.#root = new Branch(options, []);
  }

  get size(): number {
    return this.#root.size;
  }

  add(path: FlowPath, cost: number, item: Item): void {
    this.#root.add(path, { cost: Math.max(1, cost), item });
  }

  /** The cost of what `next` gives; null when nothing waits. */
  peekCost(): number | null {
    return this.#root.peekCost();
  }

  next(): Item | null {
    return this.#root.take();
  }

  /** Takes out what waits below a path (a partial one reaches all flows below it) and matches. */
  removeWhere(path: FlowPath, matches: (item: Item) => boolean): number {
    return this.#root.removeWhere(path, matches);
  }
}
