/**
 * Room under limits that all processes share, from the side of who asks: which of a plan's keys, from which
 * bucket's owner, and what is done while there is none.
 *
 *   seeking ──a loan or the owner grants──▶ reserved
 *     │  ▲
 *     │  └──refused | owner gone | moved──┐
 *     └──nobody has room, may wait──▶ queued at the bucket that will have it soonest ──granted──▶ reserved
 *
 * Invariants: every healthy key of a target is asked before a later target; a request is queued at one bucket
 * at a time; what was granted to a request that is over is given back.
 *
 * Long because seeking, waiting and borrowing go on over the same tickets; which keys are healthy is `fleet-keys`,
 * what is lent `room-loans`.
 */
import type { LimiterAsk, LimiterNotice, LimiterReply, LimiterReport } from '#contracts/limiter-line';
import type { Reservation } from '#contracts/reservation';
import { FloError } from './errors.ts';
import { FleetKeys, type FleetKeysDeps } from './fleet-keys.ts';
import type { LiveWorkers } from './live-workers.ts';
import type { CallOutcome, RateLimiter, RoomWanted } from './ports.ts';
import type { Obstacle } from './rate-limit-bucket.ts';
import { isTrouble } from './breaker.ts';
import { candidatesOf, flowOf, type RoomCandidate } from './room-candidates.ts';
import { LimiterReports } from './limiter-reports.ts';
import { lateError, type Refusal } from './room-refusal.ts';
import { loanCost, RoomLoans } from './room-loans.ts';

export type LimiterTransport = {
  /** Null where the owner is gone or silent. */
  ask: (workerId: string, ask: LimiterAsk) => Promise<LimiterReply | null>;
  report: (workerId: string, report: LimiterReport) => void;
};

export type SharedRateLimiterDeps = FleetKeysDeps & {
  clientId: string;
  transport: LimiterTransport;
  workers: LiveWorkers;
  /** Calls back once after so many milliseconds, unless what it returns is called before. */
  schedule: (milliseconds: number, callback: () => void) => () => void;
};

const UPKEEP_INTERVAL_MS = 250;
/** Before an owner is asked again that was silent, or is not the owner. */
const RETRY_MS = 100;
/** An earlier target is preferred to a later one that would have room so much sooner. */
const PATIENCE_MS = 250;

type Settled = LimiterNotice['verdict'] | { kind: 'over' };
/** No wait leads through it. */
const isShut = (obstacle: Obstacle | undefined): boolean =>
  obstacle?.of === 'trouble' || obstacle?.of === 'repeats';

export class SharedRateLimiter implements RateLimiter {
  readonly #deps: SharedRateLimiterDeps;
  readonly #keys: FleetKeys;
  readonly #loans = new RoomLoans();
  readonly #waiting = new Map<string, { owner: string; settle: (verdict: Settled) => void }>();
  readonly #reports: LimiterReports;
  #tickets = 0;
  #endUpkeep: (() => void) | null = null;
  readonly #onWorkers = new Set<() => void>();

  constructor(deps: SharedRateLimiterDeps) {
    this.#deps = deps;
    this.#keys = new FleetKeys(deps);
    this.#reports = new LimiterReports(deps);
    deps.workers.onChange(() => this.#rethink());
    deps.fleet.onBucketNews((bucket) => {
      if (this.#heldUntilMs(bucket) > deps.clock.nowMs()) this.#giveBack((name) => name === bucket);
    });
  }

  start(): void {
    this.#giveBack(() => false);
    this.#endUpkeep = this.#deps.schedule(UPKEEP_INTERVAL_MS, () => this.start());
  }

  /** Gives back all that was lent; reports are sent at once. */
  stop(): void {
    this.#endUpkeep?.();
    this.#giveBack(() => true);
    this.#reports.send();
  }

  notice({ ticket, bucket, verdict }: LimiterNotice): void {
    const waiting = this.#waiting.get(ticket);
    if (waiting !== undefined) waiting.settle(verdict);
    // It crossed the cancellation on its way.
    else if (verdict.kind === 'granted') this.#released(bucket, verdict.id);
  }

  async reserve(wanted: RoomWanted): Promise<Reservation> {
    const { clock } = this.#deps;
    const refused = new Map<string, Refusal>();
    for (;;) {
      wanted.signal?.throwIfAborted();
      if (clock.nowMs() >= wanted.deadlineAtMs) throw this.#deadlineError();
      const candidates = await this.#keys.usableOf(candidatesOf(wanted));
      const open = candidates.filter(({ bucket }) => !isShut(refused.get(bucket)?.obstacle));
      if (open.length === 0) throw this.#lateError([...refused.values()], wanted);
      refused.clear();
      const [only] = open;
      const lone = open.length === 1 ? only : undefined;
      const found = lone === undefined ? await this.#seek(open, wanted, refused) : 'queue';
      if (typeof found === 'object') return found;
      const best = lone ?? this.#soonest(refused);
      if (found === 'retry' || best === null) {
        await this.#pause();
        continue;
      }
      const queued = await this.#queueAt(best, wanted, refused);
      if (typeof queued === 'object') return queued;
      const refusal = refused.get(best.bucket);
      if (queued === 'refused' && refusal !== undefined && !isShut(refusal.obstacle)) {
        throw this.#lateError([refusal], wanted);
      }
      if (queued === 'refused' && open.length === 1) throw this.#lateError([...refused.values()], wanted);
    }
  }

  /** Asks one after the other, without waiting at any. */
  async #seek(
    candidates: readonly RoomCandidate[],
    wanted: RoomWanted,
    refused: Map<string, Refusal>,
  ): Promise<Reservation | 'queue' | 'retry'> {
    const nowMs = this.#deps.clock.nowMs();
    let silent = 0;
    for (const candidate of candidates) {
      const heldMs = this.#heldUntilMs(candidate.bucket) - nowMs;
      if (heldMs > 0) {
        const news = this.#deps.fleet.bucketNews(candidate.bucket);
        const isEjected = (news?.ejectedUntilMs ?? 0) > nowMs;
        const obstacle: Obstacle = isEjected
          ? { of: 'trouble', waitMs: heldMs }
          : { of: 'requests', waitMs: heldMs, why: 'pause' };
        refused.set(candidate.bucket, { candidate, obstacle });
        continue;
      }
      if (refused.has(candidate.bucket)) continue;
      const lent = this.#takeLoan(candidate, wanted);
      if (lent !== null) return lent;
      const verdict = await this.#ask(candidate, wanted, { ticket: this.#mintTicket(), mayWait: false });
      if (verdict === null || verdict.kind === 'elsewhere') silent += 1;
      else if (verdict.kind === 'granted') return reservationOf(candidate, verdict.id, wanted);
      else if (verdict.kind === 'refused') {
        refused.set(candidate.bucket, { candidate, obstacle: verdict.obstacle });
      }
    }
    return silent > 0 && refused.size === 0 ? 'retry' : 'queue';
  }

  #soonest(refused: ReadonlyMap<string, Refusal>): RoomCandidate | null {
    let best: Refusal | null = null;
    for (const refusal of refused.values()) {
      if (isShut(refusal.obstacle)) continue;
      if (best === null || refusal.obstacle.waitMs + PATIENCE_MS < best.obstacle.waitMs) best = refusal;
    }
    if (best !== null) return best.candidate;
    const [first] = refused.values();
    return first?.candidate ?? null;
  }

  async #queueAt(
    candidate: RoomCandidate,
    wanted: RoomWanted,
    refused: Map<string, Refusal>,
  ): Promise<Reservation | 'refused' | 'retry'> {
    const lent = this.#takeLoan(candidate, wanted);
    if (lent !== null) return lent;
    const { workers, clock } = this.#deps;
    const owner = workers.ownerOf(candidate.bucket);
    if (owner === null) {
      await this.#workersChanged(wanted);
      return 'retry';
    }
    const ticket = this.#mintTicket();
    let settle: (verdict: Settled) => void = () => undefined;
    const told = new Promise<Settled>((resolve) => {
      settle = resolve;
    });
    // Before asking: the notice may come before the answer's promise is settled.
    this.#waiting.set(ticket, { owner, settle });
    const onAbort = (): void => settle({ kind: 'over' });
    wanted.signal?.addEventListener('abort', onAbort, { once: true });
    const endWait = this.#deps.schedule(Math.max(0, wanted.deadlineAtMs - clock.nowMs()), onAbort);
    try {
      const reply = await this.#ask(candidate, wanted, { ticket, mayWait: true });
      if (reply === null) {
        // It may have come all the same, and what nobody waits for would keep others waiting.
        this.#withdraw(owner, candidate.bucket, ticket);
        await this.#pause();
        return 'retry';
      }
      const verdict = reply.kind === 'queued' ? await told : reply;
      if (verdict.kind === 'granted') return reservationOf(candidate, verdict.id, wanted);
      if (verdict.kind === 'refused') {
        refused.set(candidate.bucket, { candidate, obstacle: verdict.obstacle });
        return 'refused';
      }
      if (verdict.kind === 'over') this.#withdraw(owner, candidate.bucket, ticket);
      else await this.#pause();
      return 'retry';
    } finally {
      endWait();
      wanted.signal?.removeEventListener('abort', onAbort);
      this.#waiting.delete(ticket);
    }
  }

  #withdraw(owner: string, bucket: string, ticket: string): void {
    this.#reports.to(owner).cancelled.push({ bucket, ticket });
  }

  #takeLoan(candidate: RoomCandidate, wanted: RoomWanted): Reservation | null {
    // The owner decides over repetitions.
    if (wanted.isRepeat === true) return null;
    const key = { bucket: candidate.bucket, lane: wanted.lane };
    const id = this.#loans.take(key, wanted, this.#deps.clock.nowMs());
    if (id === null) return null;
    const count = this.#loans.wanted(key);
    if (count > 0) void this.#borrow(candidate, wanted, count);
    return reservationOf(candidate, id, wanted);
  }

  async #borrow(candidate: RoomCandidate, wanted: RoomWanted, count: number): Promise<void> {
    const key = { bucket: candidate.bucket, lane: wanted.lane };
    const owner = this.#deps.workers.ownerOf(candidate.bucket);
    if (owner === null) return;
    this.#loans.asking(key, true);
    const ask = this.#askOf(candidate, wanted, { ticket: '', mayWait: false });
    const reply = await this.#deps.transport.ask(owner, { ...ask, isCall: false, loan: count });
    this.#loans.asking(key, false);
    if (reply !== null) this.#keep(candidate, wanted, reply.loan);
  }

  #keep(candidate: RoomCandidate, wanted: RoomWanted, ids: readonly string[]): void {
    if (ids.length === 0) return;
    const { bucket } = candidate;
    const key = { bucket, lane: wanted.lane };
    const outOfPlace = this.#loans.add(key, ids, loanCost(wanted), this.#deps.clock.nowMs());
    for (const id of outOfPlace) this.#released(bucket, id);
  }

  async #ask(
    candidate: RoomCandidate,
    wanted: RoomWanted,
    how: { ticket: string; mayWait: boolean },
  ): Promise<LimiterReply['verdict'] | null> {
    const owner = this.#deps.workers.ownerOf(candidate.bucket);
    if (owner === null) return null;
    const key = { bucket: candidate.bucket, lane: wanted.lane };
    const loan = this.#loans.wanted(key);
    if (loan > 0) this.#loans.asking(key, true);
    const reply = await this.#deps.transport.ask(owner, { ...this.#askOf(candidate, wanted, how), loan });
    if (loan > 0) this.#loans.asking(key, false);
    if (reply === null) return null;
    this.#keep(candidate, wanted, reply.loan);
    return reply.verdict;
  }

  #askOf(
    { bucket, declared }: RoomCandidate,
    wanted: RoomWanted,
    { ticket, mayWait }: { ticket: string; mayWait: boolean },
  ): LimiterAsk {
    return {
      clientId: this.#deps.clientId,
      ticket,
      bucket,
      lane: wanted.lane,
      flow: flowOf(wanted, wanted.routing.shares),
      inputTokens: wanted.inputTokens,
      outputTokens: wanted.outputTokens,
      deadlineAtMs: wanted.deadlineAtMs,
      mayWait,
      isCall: true,
      ...(wanted.isRepeat === true && { isRepeat: true }),
      loan: 0,
      declared,
    };
  }

  #pause(): Promise<void> {
    return new Promise((resolve) => void this.#deps.schedule(RETRY_MS, resolve));
  }

  #mintTicket(): string {
    this.#tickets += 1;
    return `${this.#deps.clientId}.${this.#tickets}`;
  }

  #heldUntilMs(bucket: string): number {
    const news = this.#deps.fleet.bucketNews(bucket);
    return news === null ? 0 : Math.max(news.pausedUntilMs, news.ejectedUntilMs);
  }

  /** Resolves when another set of workers is known, or the deadline is there. */
  #workersChanged({ deadlineAtMs, signal }: RoomWanted): Promise<void> {
    return new Promise((resolve) => {
      const done = (): void => {
        endWait();
        signal?.removeEventListener('abort', done);
        this.#onWorkers.delete(done);
        resolve();
      };
      const endWait = this.#deps.schedule(Math.max(0, deadlineAtMs - this.#deps.clock.nowMs()), done);
      signal?.addEventListener('abort', done, { once: true });
      this.#onWorkers.add(done);
    });
  }

  /** Notices may have been missed: who waits asks again; a grant that comes for the old ticket is given back. */
  reconnected(): void {
    for (const { settle } of this.#waiting.values()) settle({ kind: 'elsewhere' });
  }

  /** Other workers live: who waits at one that is gone asks the new owner, and loans go with their owner. */
  #rethink(): void {
    const { workers } = this.#deps;
    for (const { owner, settle } of this.#waiting.values()) {
      if (!workers.has(owner)) settle({ kind: 'elsewhere' });
    }
    for (const done of this.#onWorkers) done();
  }

  #giveBack(concerns: (bucket: string) => boolean): void {
    for (const { bucket, id } of this.#loans.drop(concerns, this.#deps.clock.nowMs())) {
      this.#released(bucket, id);
    }
  }

  release({ bucket, id }: Reservation): void {
    this.#released(bucket, id);
  }

  #released(bucket: string, id: string): void {
    const owner = this.#deps.workers.ownerOf(bucket);
    if (owner !== null) this.#reports.to(owner).released.push({ bucket, id });
  }

  settle({ bucket, id, providerKeyId }: Reservation, outcome: CallOutcome): void {
    void this.#keys.note(providerKeyId, outcome);
    const owner = this.#deps.workers.ownerOf(bucket);
    if (owner === null) return;
    const { error, readings, ...rest } = outcome;
    const told = error === null ? null : { code: error.code, retryAfterMs: error.retryAfterMs ?? null };
    this.#reports.to(owner).settled.push({
      bucket,
      id,
      outcome: { ...rest, error: told, readings: [...readings] },
    });
    // A breaker is to open before the next call, which may come at once.
    if (isTrouble(error?.code ?? null)) this.#reports.send();
  }

  #lateError(refusals: readonly Refusal[], wanted: RoomWanted): FloError {
    return lateError(refusals, wanted, this.#deps.clock.nowMs()) ?? this.#deadlineError();
  }

  #deadlineError(): FloError {
    if (this.#deps.workers.size > 0) {
      return new FloError('deadline_exceeded', 'The deadline passed before the provider had room.');
    }
    return new FloError('unavailable', 'No worker was there to take the request. Try again shortly.', {
      retryAfterMs: 1_000,
    });
  }
}

const reservationOf = (candidate: RoomCandidate, id: string, wanted: RoomWanted): Reservation => ({
  id,
  bucket: candidate.bucket,
  step: candidate.step,
  keyIndex: candidate.keyIndex,
  providerKeyId: candidate.providerKeyId,
  inputTokens: wanted.inputTokens,
  outputTokens: wanted.outputTokens,
});
