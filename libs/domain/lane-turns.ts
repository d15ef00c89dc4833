import { LANES, type Lane } from '#contracts/vocabulary';
import { LaneQueue, type Waiter } from './lane-queue.ts';

/** One grant in so many goes to a lower lane that waits. */
const LOWER_LANE_EVERY = 20;

/**
 * All that wait for an account's room, and whose turn it is between lanes: interactive before async before batch,
 * but a lower lane that waits gets one grant in twenty.
 */
export class LaneTurns {
  readonly #lanes: Record<Lane, LaneQueue> = {
    interactive: new LaneQueue(),
    async: new LaneQueue(),
    batch: new LaneQueue(),
  };
  #sinceLowerLane = 0;

  get size(): number {
    return LANES.reduce((sum, lane) => sum + this.#lanes[lane].waiting.size, 0);
  }

  add(waiter: Waiter): void {
    this.#lanes[waiter.lane].add(waiter);
  }

  remove(waiter: Waiter): void {
    this.#lanes[waiter.lane].remove(waiter);
  }

  cancel(ticket: string): void {
    for (const lane of LANES) {
      const waiter = this.#lanes[lane].waiting.get(ticket);
      if (waiter !== undefined) this.#lanes[lane].remove(waiter);
    }
  }

  /** Whether nobody waits whose turn it is before a newcomer's. */
  goesAtOnce(lane: Lane): boolean {
    let isLower = false;
    for (const other of LANES) {
      if (this.#lanes[other].waiting.size > 0) {
        if (!isLower) return false;
        this.#sinceLowerLane += 1;
        return this.#sinceLowerLane < LOWER_LANE_EVERY;
      }
      isLower ||= other === lane;
    }
    return true;
  }

  /** What waits in this lane and in those that go before it. */
  upTo(lane: Lane): { calls: number; tokens: number } {
    const ahead = { calls: 0, tokens: 0 };
    for (const other of LANES) {
      ahead.calls += this.#lanes[other].waiting.size;
      ahead.tokens += this.#lanes[other].tokens;
      if (other === lane) break;
    }
    return ahead;
  }

  /** The first of each lane in which somebody waits, the highest lane's before the others'. */
  firsts(): Waiter[] {
    return LANES.flatMap((lane) => this.#lanes[lane].first() ?? []);
  }

  /** In no order between flows. Who is removed meanwhile is not met again. */
  *all(): Generator<Waiter> {
    for (const lane of LANES) yield* this.#lanes[lane].waiting.values();
  }

  /** Takes out whose turn it is, where it may go; `isOwed` says that it is a lower lane's one in twenty. */
  take(mayGo: (waiter: Waiter, isOwed: boolean) => boolean): Waiter | null {
    const next = this.#next(mayGo);
    if (next !== null) this.remove(next);
    return next;
  }

  #next(mayGo: (waiter: Waiter, isOwed: boolean) => boolean): Waiter | null {
    const [highest, ...lower] = this.firsts();
    if (highest === undefined) return null;
    if (this.#sinceLowerLane >= LOWER_LANE_EVERY) {
      const owed = lower.find((waiter) => mayGo(waiter, true));
      if (owed !== undefined) {
        this.#sinceLowerLane = 0;
        return owed;
      }
    }
    // What is dear at the head is not overtaken by what is cheap in a lower lane: it would wait for ever.
    if (!mayGo(highest, false)) return null;
    if (lower.length > 0) this.#sinceLowerLane += 1;
    return highest;
  }
}
