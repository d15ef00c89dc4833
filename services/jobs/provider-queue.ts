import { DISPATCHES_TOGETHER_MAX } from '#contracts/dispatch';
import type { WorkItemId } from '#contracts/ids';
import type { ProviderId } from '#contracts/vocabulary';
import { FairShare, type FlowPath } from '#domain/fair-share';
import type { QueuedLane, WorkFlow } from '#domain/work-ports';

/** `name` is the flow's. */
export type Waiting = { id: WorkItemId; flow: WorkFlow; name: string };

/** A flow's part of a round: about a small request, so that turns are short whatever is asked. */
const QUANTUM_TOKENS = 64;
const WINDOW_MIN = 32;
/** Below what two accounts may have in the queue together: else each has all it may there, whatever their weights. */
const WINDOW_MAX = 128;
/** How fast items are taken is counted over so long. */
const PACE_INTERVAL_MS = 500;
/** What is taken in so long may share a message: a turn for others then waits no longer for it. */
const TOGETHER_MS = 10;

/**
 * The work for one provider in one lane: what waits for its turn, and how much the queue may hold ahead of
 * the workers. That window follows how fast they take it: a newcomer's first item waits behind no more than
 * what they take in a turn or two.
 */
export class ProviderQueue {
  readonly lane: QueuedLane;
  readonly provider: ProviderId;
  readonly #share: FairShare<Waiting>;
  readonly #waiting = new Map<string, Set<WorkItemId>>();
  readonly #given = new Map<WorkItemId, string>();
  readonly #givenByFlow = new Map<string, number>();
  #window = WINDOW_MIN;
  #chosenBefore = 0;
  #chosenNow = 0;
  #countedSinceMs = performance.now();

  constructor(lane: QueuedLane, provider: ProviderId, weightOf: (path: FlowPath) => number) {
    this.lane = lane;
    this.provider = provider;
    this.#share = new FairShare({ quantum: QUANTUM_TOKENS, weightOf });
  }

  get size(): number {
    return this.#share.size;
  }

  waitingOf(name: string): ReadonlySet<WorkItemId> {
    return this.#waiting.get(name) ?? new Set();
  }

  givenOf(name: string): number {
    return this.#givenByFlow.get(name) ?? 0;
  }

  add(waiting: Waiting, tokens: number): void {
    const { tenantId, team, feature, requestedModel } = waiting.flow;
    this.#share.add([tenantId, team, feature, requestedModel], tokens, waiting);
    const ids = this.#waiting.get(waiting.name) ?? new Set();
    ids.add(waiting.id);
    this.#waiting.set(waiting.name, ids);
  }

  /** Takes a flow's items out of their turn; they are read again when it has one. */
  drop({ tenantId, team, feature, requestedModel }: WorkFlow, name: string): void {
    if (!this.#waiting.delete(name)) return;
    this.#share.removeWhere([tenantId, team, feature, requestedModel], () => true);
  }

  /**
   * How many items may share a message: 1 up to 200 a second, so that slow calls are spread over workers one by
   * one, and what is worked off within 10 ms above.
   */
  get together(): number {
    const perMs = this.#chosenBefore / PACE_INTERVAL_MS;
    return Math.max(1, Math.min(DISPATCHES_TOGETHER_MAX, Math.floor(perMs * TOGETHER_MS)));
  }

  #count(chosen: number): void {
    const sinceMs = performance.now() - this.#countedSinceMs;
    if (sinceMs >= PACE_INTERVAL_MS) {
      this.#chosenBefore = sinceMs < 2 * PACE_INTERVAL_MS ? this.#chosenNow : 0;
      this.#chosenNow = 0;
      this.#countedSinceMs = performance.now();
    }
    this.#chosenNow += chosen;
  }

  /** What fits the window beside what the queue holds already, in its order. */
  take(inQueue: number): Waiting[] {
    if (inQueue * 4 < this.#window) this.#window = Math.min(WINDOW_MAX, this.#window * 2);
    else if (inQueue * 4 > this.#window * 3)
      this.#window = Math.max(WINDOW_MIN, Math.floor(this.#window * 0.9));
    const chosen: Waiting[] = [];
    while (chosen.length < this.#window - inQueue) {
      const next = this.#share.next();
      if (next === null) break;
      const ids = this.#waiting.get(next.name);
      ids?.delete(next.id);
      if (ids?.size === 0) this.#waiting.delete(next.name);
      chosen.push(next);
    }
    this.#count(chosen.length);
    return chosen;
  }

  gave({ id, name }: Waiting): void {
    this.#given.set(id, name);
    this.#givenByFlow.set(name, this.givenOf(name) + 1);
  }

  claimed(id: WorkItemId): void {
    const name = this.#given.get(id);
    if (name === undefined) return;
    this.#given.delete(id);
    const left = this.givenOf(name) - 1;
    if (left > 0) this.#givenByFlow.set(name, left);
    else this.#givenByFlow.delete(name);
  }
}
