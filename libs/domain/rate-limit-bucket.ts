/**
 * The room that one provider account has for one family of models, as its owner keeps it: what may go out now,
 * and who waits for more.
 *
 * A call needs, all at once: enough in each of the account's limits (`account-limits`), a place among the calls
 * under way (`adaptive-concurrency`), a closed breaker, and no pause asked for by the provider.
 *
 *   asked ──there is room, nobody goes before──▶ granted ──settled | released | lost───▶ gone
 *     │                                            ▲
 *     ├──may wait──▶ waiting ──its turn────────────┘
 *     │                 ├──cancelled | its deadline──▶ gone
 *     │                 └──too late for a call before its deadline | the breaker opens──▶ refused
 *     └──would wait past its deadline | the breaker is open──▶ refused, with how long it would have waited
 *
 * Invariants: nothing is granted while an earlier one of the same flow and lane waits; calls under way do not
 * exceed the concurrency's limit at the time of a grant; interactive goes before async and async before batch,
 * but a lower lane that waits gets one grant in twenty; batch leaves a fifth of every limit to the others,
 * that one grant excepted; within a lane flows share by weight, cost counted in tokens; at most `WAITERS_MAX`
 * wait; failed calls are repeated for a tenth of the others (`retry-budget`).
 *
 * Long because all of these decide over one grant; what can be told by itself is in the files it is made of.
 */
import type { Lane } from '#contracts/vocabulary';
import {
  AccountLimits,
  type CallCost,
  type LimitSnapshot,
  type Shortage,
  type SpendMark,
} from './account-limits.ts';
import { AdaptiveConcurrency } from './adaptive-concurrency.ts';
import type { ApiKeyLimits } from './api-key.ts';
import { Breaker, isTrouble } from './breaker.ts';
import type { ErrorCode } from './errors.ts';
import type { Waiter } from './lane-queue.ts';
import { LaneTurns } from './lane-turns.ts';
import type { CallOutcome } from './ports.ts';
import { RetryBudget } from './retry-budget.ts';

/**
 * What stands in the way, and how long that lasts. `pause`: not a limit is short, the provider asked for no calls.
 * `crowd`: as many wait as may. `late`: there is room, and too little time left for a call.
 */
export type Obstacle = {
  of: Shortage['of'] | 'concurrency' | 'trouble' | 'repeats';
  waitMs: number;
  why?: 'pause' | 'crowd' | 'late' | undefined;
};

export type Verdict =
  | { kind: 'granted'; id: string }
  | { kind: 'queued'; waitMs: number }
  | { kind: 'refused'; obstacle: Obstacle };

/** What a waiter is told in the end. */
export type Notice = { ticket: string; verdict: Exclude<Verdict, { kind: 'queued' }> };

/** What a new owner starts from. */
export type BucketSnapshot = {
  limits: LimitSnapshot[];
  concurrency: number;
  starting: boolean;
  pausedUntilMs: number;
};

type Granted = CallCost & { grantedAtMs: number; mark: SpendMark; isRepeat: boolean };

const WAITERS_MAX = 5_000;
/**
 * What nobody settles for much longer than places are held was lost with its process: a killed worker would else
 * keep the places of all its calls from the others for ten minutes. A call that lasts longer after all only has
 * its place counted free; what it spent stays spent.
 */
const GRANT_LOST_MIN_MS = 15_000;
const GRANT_LOST_MAX_MS = 600_000;
const GRANT_LOST_TIMES = 5;
const BATCH_RESERVE_SHARE = 0.2;
const RECHECK_MS = 1_000;
/** For a refusal of the provider that names no wait. */
const PAUSE_MS = 1_000;
const PAUSE_MAX_MS = 86_400_000;
/** Of the free places, the part that may be lent to one process at once. */
const LOAN_SHARE = 1 / 2;
/** One account's window: the calls it may have under way or ready in the workers' queue. */
export const CONCURRENCY_CEILING = 256;
const CALL_SHARE = 0.1;
/** From a grant through the queue to the call, and back, on a busy machine. */
const WAY_MS = 200;

export class RateLimitBucket {
  readonly #mintId: () => string;
  readonly #limits: AccountLimits;
  readonly #concurrency: AdaptiveConcurrency;
  readonly #breaker = new Breaker();
  readonly #repeats = new RetryBudget();
  readonly #turns = new LaneTurns();
  /** In the order of their grants. */
  readonly #granted = new Map<string, Granted>();
  #pausedUntilMs: number;
  #pausedFor: Shortage['of'] = 'requests';
  /** When all that wait are looked through again. */
  #sweepAtMs = 0;
  /** How long calls usually take. */
  #callMs = 0;
  /** How long a place is usually held: the way through the queue and the call. */
  #heldMs = 0;
  #usedAtMs: number;

  constructor(options: { mintId: () => string; nowMs: number; snapshot?: BucketSnapshot | null }) {
    const { nowMs, snapshot } = options;
    this.#mintId = options.mintId;
    this.#usedAtMs = nowMs;
    this.#pausedUntilMs = snapshot?.pausedUntilMs ?? 0;
    this.#limits = new AccountLimits(snapshot?.limits ?? [], nowMs);
    this.#concurrency = new AdaptiveConcurrency({
      ceiling: CONCURRENCY_CEILING,
      limit: snapshot?.concurrency,
      starting: snapshot?.starting,
    });
  }

  get waiting(): number {
    return this.#turns.size;
  }

  get underWay(): number {
    return this.#granted.size;
  }

  /** When it was last asked or told something. */
  get usedAtMs(): number {
    return this.#usedAtMs;
  }

  get breakerState(): Breaker['state'] {
    return this.#breaker.state;
  }

  /** Until when the breaker lets nobody through; in the past where it lets calls through. */
  get ejectedUntilMs(): number {
    return this.#breaker.retryAtMs;
  }

  snapshot(): BucketSnapshot {
    return {
      limits: this.#limits.snapshot(),
      concurrency: this.#concurrency.limit,
      starting: this.#concurrency.starting,
      pausedUntilMs: this.#pausedUntilMs,
    };
  }

  /** The tenant's word; what the provider itself has said goes before it. */
  declare(limits: ApiKeyLimits, nowMs: number): void {
    this.#limits.declare(limits, nowMs);
    this.#concurrency.setCeiling(Math.min(CONCURRENCY_CEILING, limits.concurrency ?? CONCURRENCY_CEILING));
    if (this.#limits.paces) this.#concurrency.trust();
  }

  /** Asks for room now, or, where `mayWait`, for a place in the queue. */
  ask(asked: Waiter, options: { mayWait: boolean; nowMs: number }): Verdict {
    const { mayWait, nowMs } = options;
    this.#usedAtMs = nowMs;
    // Else one who names a bound that no answer comes near would have all who come behind refused.
    const waiter: Waiter = { ...asked, ...this.#limits.capped(asked) };
    const isRepeat = waiter.isRepeat === true;
    if (isRepeat && !this.#repeats.allows) {
      return { kind: 'refused', obstacle: { of: 'repeats', waitMs: 0 } };
    }
    const obstacle = this.#obstacleFor(waiter, nowMs);
    if (obstacle === null && this.#turns.goesAtOnce(waiter.lane)) {
      if (isRepeat) this.#repeats.withdraw();
      return { kind: 'granted', id: this.#grant(waiter, nowMs) };
    }
    if (obstacle?.of === 'trouble') return { kind: 'refused', obstacle };
    const guess = this.#estimate(waiter, obstacle, nowMs);
    if (!mayWait || this.#isTooLate(waiter, nowMs + guess.waitMs))
      return { kind: 'refused', obstacle: guess };
    if (this.waiting >= WAITERS_MAX) return { kind: 'refused', obstacle: { ...guess, why: 'crowd' } };
    if (isRepeat) this.#repeats.withdraw();
    this.#turns.add(waiter);
    return { kind: 'queued', waitMs: guess.waitMs };
  }

  /** Whether a call that goes out then would, as calls usually go, miss its deadline. */
  #isTooLate({ deadlineAtMs }: Waiter, atMs: number): boolean {
    return atMs + this.#callMs + WAY_MS > deadlineAtMs;
  }

  /**
   * Room ahead of need, so that a process need not ask for each call: at most half of the free places, and
   * nothing while anybody waits or a limit is half used up. The ids settle and are given back like any other.
   */
  lend(cost: CallCost & { lane: Lane }, wanted: number, nowMs: number): string[] {
    if (this.waiting > 0 || nowMs < this.#pausedUntilMs) return [];
    // What is lent goes out unasked, also once nobody is to be let through.
    if (this.#breaker.state !== 'closed' || this.#breaker.isFailing) return [];
    const places = Math.floor((this.#placesFor(cost.lane) - this.#granted.size) * LOAN_SHARE);
    const count = Math.min(wanted, places, this.#limits.spareFor(cost, nowMs));
    const ids: string[] = [];
    for (let index = 0; index < count; index += 1) ids.push(this.#grant(cost, nowMs));
    return ids;
  }

  /** Gives up waiting. */
  cancel(ticket: string, nowMs: number): void {
    this.#usedAtMs = nowMs;
    this.#turns.cancel(ticket);
  }

  /** Gives back what no call was made for. */
  release(id: string, nowMs: number): void {
    this.#usedAtMs = nowMs;
    const granted = this.#granted.get(id);
    if (granted === undefined) return;
    this.#granted.delete(id);
    this.#limits.giveBack(granted, granted.mark, nowMs);
    this.#breaker.record('cancelled', granted.grantedAtMs, nowMs);
  }

  /** What came of a call. One that this owner did not grant still teaches. */
  settle(id: string, outcome: CallOutcome, nowMs: number): void {
    this.#usedAtMs = nowMs;
    const { inputTokens, outputTokens, readings, startedAtMs, endedAtMs } = outcome;
    const granted = this.#granted.get(id);
    const underWay = this.#granted.size;
    this.#granted.delete(id);
    if (granted !== undefined && inputTokens !== null && outputTokens !== null) {
      this.#limits.correct(granted, { inputTokens, outputTokens }, granted.mark, nowMs);
    }
    // The provider's word comes last: it knows what it charged.
    const call = { mark: granted?.mark ?? null, underWay, durationMs: endedAtMs - startedAtMs };
    this.#limits.learn(readings, call, nowMs);
    if (this.#limits.paces) this.#concurrency.trust();
    const code = outcome.error?.code ?? null;
    if (code === null) this.#callMs += (endedAtMs - startedAtMs - this.#callMs) * CALL_SHARE;
    this.#breaker.record(code, granted?.grantedAtMs ?? startedAtMs, nowMs);
    if (this.#breaker.state === 'open') this.#sweepAtMs = nowMs;
    if (code === null) this.#concurrency.succeeded(underWay);
    else this.#heed(code, outcome.error?.retryAfterMs, nowMs);
    if (granted?.isRepeat === false) this.#repeats.deposit();
    if (granted !== undefined) this.#heldMs += (nowMs - granted.grantedAtMs - this.#heldMs) * CALL_SHARE;
  }

  /** What the provider's refusal asks for. */
  #heed(code: ErrorCode, retryAfterMs: number | undefined, nowMs: number): void {
    const isLimit = code === 'rate_limit_requests' || code === 'rate_limit_tokens';
    if (isLimit || code === 'overloaded') this.#concurrency.congested(nowMs);
    if (!isLimit && (retryAfterMs === undefined || !isTrouble(code))) return;
    const pauseMs = Math.min(PAUSE_MAX_MS, retryAfterMs ?? PAUSE_MS);
    this.#pausedUntilMs = Math.max(this.#pausedUntilMs, nowMs + pauseMs);
    this.#pausedFor = code === 'rate_limit_tokens' ? 'tokens' : 'requests';
    this.#sweepAtMs = nowMs;
    if (isLimit) this.#limits.empty(this.#pausedFor, nowMs);
  }

  #grant(
    { inputTokens, outputTokens, isRepeat = false }: CallCost & { isRepeat?: boolean | undefined },
    nowMs: number,
  ): string {
    const id = this.#mintId();
    this.#breaker.admit(nowMs);
    this.#granted.set(id, {
      inputTokens,
      outputTokens,
      grantedAtMs: nowMs,
      mark: this.#limits.spend({ inputTokens, outputTokens }, nowMs),
      isRepeat,
    });
    return id;
  }

  #placesFor(lane: Lane): number {
    const { limit } = this.#concurrency;
    return lane === 'batch' ? Math.ceil(limit * (1 - BATCH_RESERVE_SHARE)) : limit;
  }

  /** What keeps a call from going out now. A lane whose turn is owed needs to leave no reserve. */
  #obstacleFor(cost: CallCost & { lane: Lane }, nowMs: number, isOwed = false): Obstacle | null {
    if (nowMs < this.#pausedUntilMs) {
      return { of: this.#pausedFor, waitMs: this.#pausedUntilMs - nowMs, why: 'pause' };
    }
    const { state, retryAtMs } = this.#breaker;
    if (state !== 'closed' && nowMs < retryAtMs) return { of: 'trouble', waitMs: retryAtMs - nowMs };
    const places = isOwed ? this.#concurrency.limit : this.#placesFor(cost.lane);
    const reserveShare = cost.lane === 'batch' && !isOwed ? BATCH_RESERVE_SHARE : 0;
    const shortage = this.#limits.shortageFor(cost, nowMs, reserveShare);
    const placeMs = this.#granted.size >= places ? this.#msPerEnd() : null;
    if (placeMs !== null && placeMs >= (shortage?.waitMs ?? 0)) return { of: 'concurrency', waitMs: placeMs };
    return shortage;
  }

  /** While all places are taken, one is free again so often. What was in quiet times says nothing of it. */
  #msPerEnd(): number {
    return Math.ceil(this.#heldMs / this.#concurrency.limit);
  }

  /** An honest guess: its own wait, and what goes before it at the pace of what is short. */
  #estimate(waiter: Waiter, obstacle: Obstacle | null, nowMs: number): Obstacle {
    const ahead = this.#turns.upTo(waiter.lane);
    let guess: Obstacle = obstacle ?? { of: 'concurrency', waitMs: 0 };
    const behind = this.#limits.shortageBehind(ahead, waiter, nowMs);
    if (behind !== null && behind.waitMs > guess.waitMs) guess = behind;
    if (this.#granted.size < this.#concurrency.limit) return guess;
    const waitMs = (ahead.calls + 1) * this.#msPerEnd();
    return waitMs > guess.waitMs ? { of: 'concurrency', waitMs } : guess;
  }

  /** Before anything was settled nothing is known of how long calls take. */
  #lostAfterMs(): number {
    if (this.#heldMs === 0) return GRANT_LOST_MAX_MS;
    return Math.min(GRANT_LOST_MAX_MS, GRANT_LOST_MIN_MS + GRANT_LOST_TIMES * this.#heldMs);
  }

  /** Grants whose turn it is, refuses who waits in vain, forgets what is lost. To be called after every change. */
  advance(nowMs: number): Notice[] {
    const notices: Notice[] = [];
    const lostAfterMs = this.#lostAfterMs();
    for (const [id, { grantedAtMs }] of this.#granted) {
      if (nowMs - grantedAtMs < lostAfterMs) break;
      this.#granted.delete(id);
    }
    if (this.waiting === 0) return notices;
    if (nowMs >= this.#sweepAtMs) this.#refuseHopeless(nowMs, notices);
    const mayGo = (waiter: Waiter, isOwed: boolean): boolean =>
      this.#obstacleFor(waiter, nowMs, isOwed) === null;
    for (let waiter = this.#turns.take(mayGo); waiter !== null; waiter = this.#turns.take(mayGo)) {
      const verdict: Notice['verdict'] = this.#isTooLate(waiter, nowMs)
        ? { kind: 'refused', obstacle: { ...this.#estimate(waiter, null, nowMs), why: 'late' } }
        : { kind: 'granted', id: this.#grant(waiter, nowMs) };
      notices.push({ ticket: waiter.ticket, verdict });
    }
    return notices;
  }

  /** Goes through all that wait, so only when something new is in the way, and once a second. */
  #refuseHopeless(nowMs: number, notices: Notice[]): void {
    this.#sweepAtMs = nowMs + RECHECK_MS;
    const troubleMs = this.#breaker.state === 'closed' ? 0 : this.#breaker.retryAtMs - nowMs;
    const pauseMs = Math.max(0, this.#pausedUntilMs - nowMs);
    for (const waiter of this.#turns.all()) {
      const { ticket, deadlineAtMs } = waiter;
      if (deadlineAtMs <= nowMs) this.#turns.remove(waiter);
      else if (troubleMs > 0 || this.#isTooLate(waiter, nowMs + pauseMs)) {
        this.#turns.remove(waiter);
        const obstacle: Obstacle =
          troubleMs > 0
            ? { of: 'trouble', waitMs: troubleMs }
            : this.#estimate(waiter, this.#obstacleFor(waiter, nowMs), nowMs);
        notices.push({ ticket, verdict: { kind: 'refused', obstacle } });
      }
    }
  }

  /** When `advance` has something to do next, as far as time alone decides; null when nobody waits. */
  nextAdvanceAtMs(nowMs: number): number | null {
    let soonestMs: number | null = null;
    for (const first of this.#turns.firsts()) {
      const obstacle = this.#obstacleFor(first, nowMs);
      // A place becomes free when a call ends, which is told.
      const waitMs = obstacle?.of === 'concurrency' ? RECHECK_MS : (obstacle?.waitMs ?? 0);
      soonestMs = Math.min(soonestMs ?? RECHECK_MS, Math.max(1, waitMs));
    }
    return soonestMs === null ? null : nowMs + soonestMs;
  }
}
