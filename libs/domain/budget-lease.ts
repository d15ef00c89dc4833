/**
 * The part of one budget's window that a process may hand out by itself, and the holds it has handed out.
 *
 *   limit ──lease──▶ free ──hold──▶ held ──attempt granted──▶ in the event ──recorded──▶ spent
 *     ▲               │  ▲            │                                        │
 *     │◀──give back───┘  └──attempt──◀┘                                        │
 *     │                    never made                                          │
 *     │◀──────────────── the difference to the worst case ─────────────────────┘
 *     │◀──── expiry: the owner is silent, and all that could bill is recorded
 *
 * Invariants, in pico-dollars:
 *
 * 1. In the store, for each window: `spent + uncertain + leased ≤ limit` whenever something is leased; and
 *    `leased` is the sum of its leases' `open`.
 * 2. `open` of a lease = what its owner has free + holds of requests under way + what ended calls hold and
 *    metering has not recorded. It falls only by a give-back of free, by recorded events, or by expiry.
 * 3. A hold is `attempts` equal parts. A part whose attempt was granted is never free again in memory: only
 *    recording its event gives it back, in the transaction that adds what it cost. A part whose attempt was
 *    never granted, or made no call, is free again when the request is over.
 * 4. A lease is added to for `LEASE_AGE_MAX_MS`, so it expires at the latest that long and the longest hold later.
 * 5. No hold outlives `holdsUntilMs`, which is in the store before the hold is given. So from then on, once
 *    the ledger holds every event of that time, nothing of the lease can bill, and it may expire.
 */
import type { BudgetId } from '#contracts/ids';
import type { BudgetWindow } from './budget-window.ts';

/** Over how long a lease is meant to last at the rate it is used. */
const LEASE_SPAN_MS = 2_000;
/**
 * For how long a lease is added to. One that is in use for ever would never expire, and with it whatever its
 * process has lost track of: holds of dispatches that a feeder gave before it was followed by another.
 */
const LEASE_AGE_MAX_MS = 10 * 60_000;
/** Without experience: as many holds as the first one is big. */
const FIRST_HOLDS = 8n;

export class SubAllowance {
  readonly budgetId: BudgetId;
  readonly leaseId: string;
  readonly window: BudgetWindow;
  #freePicoUsd = 0n;
  #holdsUntilMs = 0;
  #requestsUnderWay = 0;
  #lastUsedAtMs: number;
  readonly #bornAtMs: number;
  #takenPicoUsd = 0n;
  #lastLeasedAtMs: number;

  constructor(identity: { budgetId: BudgetId; leaseId: string; window: BudgetWindow }, nowMs: number) {
    this.budgetId = identity.budgetId;
    this.leaseId = identity.leaseId;
    this.window = identity.window;
    this.#bornAtMs = nowMs;
    this.#lastUsedAtMs = nowMs;
    this.#lastLeasedAtMs = nowMs;
  }

  get freePicoUsd(): bigint {
    return this.#freePicoUsd;
  }

  /** Unix milliseconds; 0 before the first lease. */
  get holdsUntilMs(): number {
    return this.#holdsUntilMs;
  }

  get isLeased(): boolean {
    return this.#holdsUntilMs > 0;
  }

  /** What the store may have taken back meanwhile. */
  isOver(nowMs: number): boolean {
    return this.isLeased && nowMs >= this.#holdsUntilMs;
  }

  /** Whether the next hold is to be of another lease. */
  isOld(nowMs: number): boolean {
    return nowMs - this.#bornAtMs >= LEASE_AGE_MAX_MS;
  }

  isIdle(nowMs: number, idleMs: number): boolean {
    const windowIsOver = this.window.endMs !== null && nowMs >= this.window.endMs;
    return windowIsOver || nowMs - this.#lastUsedAtMs >= idleMs;
  }

  get requestsUnderWay(): number {
    return this.#requestsUnderWay;
  }

  mayHold(picoUsd: bigint, deadlineAtMs: number): boolean {
    return picoUsd <= this.#freePicoUsd && deadlineAtMs <= this.#holdsUntilMs;
  }

  hold(picoUsd: bigint, nowMs: number): void {
    if (picoUsd > this.#freePicoUsd) throw new RangeError('more is held than is free');
    this.#freePicoUsd -= picoUsd;
    this.#takenPicoUsd += picoUsd;
    this.#requestsUnderWay += 1;
    this.#lastUsedAtMs = nowMs;
  }

  /** The request is over; `unusedPicoUsd` belonged to attempts that were never made. */
  end(unusedPicoUsd: bigint): void {
    this.#requestsUnderWay -= 1;
    this.#freePicoUsd += unusedPicoUsd;
  }

  leased(picoUsd: bigint, holdsUntilMs: number, nowMs: number): void {
    this.#freePicoUsd += picoUsd;
    this.#holdsUntilMs = Math.max(this.#holdsUntilMs, holdsUntilMs);
    if (picoUsd === 0n) return;
    this.#takenPicoUsd = 0n;
    this.#lastLeasedAtMs = nowMs;
  }

  /** Takes out what is free, to be given back. */
  drain(): bigint {
    const free = this.#freePicoUsd;
    this.#freePicoUsd = 0n;
    return free;
  }

  /** What the next lease should be, from how fast this one was used; the store gives less near the limit. */
  wantedPicoUsd(holdPicoUsd: bigint, nowMs: number): bigint {
    const elapsedMs = BigInt(Math.max(1, nowMs - this.#lastLeasedAtMs));
    const atThisRate = (this.#takenPicoUsd * BigInt(LEASE_SPAN_MS)) / elapsedMs;
    const least = holdPicoUsd * FIRST_HOLDS;
    return atThisRate > least ? atThisRate : least;
  }

  /** Whether to lease more now so that no request has to wait for it. */
  isLow(holdPicoUsd: bigint): boolean {
    return this.#freePicoUsd < holdPicoUsd * (FIRST_HOLDS / 4n);
  }
}
