/**
 * Whose message goes to a queue next, while the queue holds no more than a window of what nobody has taken yet: a
 * newcomer waits for one window, however much another has.
 *
 *   arrived ──the window has a place, nobody waits──▶ in the queue ──taken | given up──▶ gone
 *      ├──else──▶ waiting ──its turn in the fair share──▶ in the queue
 *      │             └──its signal──▶ gone
 *      └──its turn would come after its deadline──▶ refused
 *
 * The window follows the takers: it grows while what is in the queue is taken within `QUEUED_MS` and somebody
 * waits, and shrinks while it is not. So it never holds up takers that are free, and holds little where none is.
 *
 * Invariants: `WINDOW_MIN` ≤ window ≤ `WINDOW_MAX`; nothing waits while the window has a place; a place is given
 * back once however often it is said. What waits is bounded by the caller.
 */
import { FloError } from './errors.ts';
import { WeightedFlows, type WeightedFlow } from './weighted-flows.ts';

const WINDOW_MIN = 32;
/** One account's calls: where there is but one, the window holds nobody up. */
const WINDOW_MAX = 256;
const QUEUED_MS = 250;
/** Of the last message in the time that one takes. */
const PACE_PART = 0.05;

export type WindowPlace = {
  /** Somebody has taken the message. */
  taken: () => void;
  /** It is in the queue no more, or never came there. */
  giveUp: () => void;
};

type Waiting = { tenant: string; go: () => void };

export class FairWindow {
  readonly #nowMs: () => number;
  readonly #flows = new WeightedFlows<Waiting>();
  readonly #waitingOf = new Map<string, number>();
  #window = WINDOW_MAX;
  #inQueue = 0;
  #msPerTaken = 0;
  #takenAtMs: number;

  constructor(nowMs: () => number) {
    this.#nowMs = nowMs;
    this.#takenAtMs = nowMs();
  }

  get waiting(): number {
    return this.#flows.size;
  }

  get window(): number {
    return this.#window;
  }

  /**
   * Resolves when it is its turn. `flow` is the tenant, its team and its feature, each with its weight. Rejects with
   * the signal's reason, and with `FloError` `unavailable` where its turn would come too late.
   */
  async enter(wanted: {
    flow: WeightedFlow;
    tokens: number;
    deadlineInMs: number;
    signal: AbortSignal;
  }): Promise<WindowPlace> {
    wanted.signal.throwIfAborted();
    if (this.#inQueue >= this.#window || this.waiting > 0) await this.#turn(wanted);
    else this.#inQueue += 1;
    const enteredAtMs = this.#nowMs();
    let isIn = true;
    const leave = (isTaken: boolean): void => {
      if (!isIn) return;
      isIn = false;
      this.#inQueue -= 1;
      if (isTaken) this.#learn(enteredAtMs);
      this.#fill();
    };
    return { taken: () => leave(true), giveUp: () => leave(false) };
  }

  #turn({ flow, tokens, deadlineInMs, signal }: Parameters<FairWindow['enter']>[0]): Promise<void> {
    const tenant = flow[0]?.name ?? '';
    const ofTenant = this.#waitingOf.get(tenant) ?? 0;
    const flows = this.#waitingOf.size + (ofTenant === 0 ? 1 : 0);
    const ahead = this.#inQueue + Math.min(this.waiting, ofTenant * flows + flows);
    const waitMs = ahead * this.#msPerTaken;
    if (waitMs > deadlineInMs) {
      const message = 'The workers are so busy that it would not be taken before its deadline.';
      throw new FloError('unavailable', message, { retryAfterMs: Math.ceil(waitMs - deadlineInMs) });
    }
    return new Promise((resolve, reject) => {
      const onAbort = (): void => {
        if (!this.#flows.remove(flow, waiting)) return;
        this.#count(tenant, -1);
        reject(signal.reason as Error);
      };
      const waiting: Waiting = {
        tenant,
        go: () => {
          signal.removeEventListener('abort', onAbort);
          resolve();
        },
      };
      signal.addEventListener('abort', onAbort, { once: true });
      this.#count(tenant, 1);
      this.#flows.add(flow, tokens, waiting);
    });
  }

  #count(tenant: string, change: number): void {
    const count = (this.#waitingOf.get(tenant) ?? 0) + change;
    if (count > 0) this.#waitingOf.set(tenant, count);
    else this.#waitingOf.delete(tenant);
  }

  #learn(enteredAtMs: number): void {
    const nowMs = this.#nowMs();
    // While nobody waits it is they who set the pace, not the takers.
    if (this.waiting > 0) {
      this.#msPerTaken += (nowMs - this.#takenAtMs - this.#msPerTaken) * PACE_PART;
      if (nowMs - enteredAtMs <= QUEUED_MS) this.#window = Math.min(WINDOW_MAX, this.#window + 1);
    }
    if (nowMs - enteredAtMs > QUEUED_MS) this.#window = Math.max(WINDOW_MIN, this.#window - 1);
    this.#takenAtMs = nowMs;
  }

  #fill(): void {
    while (this.#inQueue < this.#window) {
      const next = this.#flows.next();
      if (next === null) return;
      this.#count(next.tenant, -1);
      this.#inQueue += 1;
      next.go();
    }
  }
}
