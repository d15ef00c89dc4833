import type { TenantId } from '#contracts/ids';
import type { Budget, TargetFacts } from './budget.ts';
import type { TargetPrices } from './budget-estimate.ts';
import { claimsOf, type BudgetClaim, type BudgetedRequest } from './budget-claim.ts';
import type { BudgetGate, BudgetHold, BudgetLeases, LeaseAnswer, LeaseAsk } from './budget-gate.ts';
import { SubAllowance } from './budget-lease.ts';
import { budgetExceeded, type BudgetStanding } from './budget-refusal.ts';
import { WindowClock } from './budget-window.ts';
import { FloError } from './errors.ts';
import { LoadingCache } from './loading-cache.ts';
import type { IdMint } from './mint-id.ts';
import type { Clock, ConfigurationChanges, Logger } from './ports.ts';

export type LeasingBudgetGateDeps = {
  leases: BudgetLeases;
  /** What prices a target of a tenant now. */
  pricesOf: (tenantId: TenantId, target: TargetFacts) => TargetPrices;
  configurationChanges: ConfigurationChanges;
  clock: Clock;
  mint: IdMint;
  logger: Logger;
  /** The process that holds. */
  owner: string;
};

const TENANTS_MAX = 10_000;
const FRESH_MS = 60_000;
const STALE_MS = 15 * 60_000;
/** A lease outlives the deadline it was made for, so that requests after it need no other at once. */
const HOLDS_SLACK_MS = 30_000;
/** How long a lease that nobody uses is kept. */
const IDLE_MS = 5_000;
/** A refusal holds for who comes right after it: a used-up budget must not cost a round trip each time. */
const REFUSAL_MS = 100;
const ROUNDS_MAX = 100;

const NOTHING_HELD: BudgetHold = Object.freeze({ holds: [], end: () => undefined });

type Entry = {
  tenantId: TenantId;
  allowance: SubAllowance;
  /** What the next lease is for, until it is asked for. */
  next: { neededPicoUsd: bigint; demandedPicoUsd: bigint; aheadPicoUsd: bigint; deadlineAtMs: number } | null;
  refill: Promise<LeaseAnswer | null> | null;
  refusal: { answer: LeaseAnswer; untilMs: number } | null;
};

type Wanted = { claim: BudgetClaim; entry: Entry; picoUsd: bigint };

const roomOf = ({ limitPicoUsd, usedPicoUsd, leasedPicoUsd }: BudgetStanding): bigint =>
  limitPicoUsd - usedPicoUsd - leasedPicoUsd;

/**
 * The gate of one process. It hands out holds from sub-allowances that it leases from the store ahead of
 * need, so that a request usually waits for nothing; requests that do wait share one round trip.
 */
export class LeasingBudgetGate implements BudgetGate {
  readonly #deps: LeasingBudgetGateDeps;
  readonly #budgets: LoadingCache<TenantId, Budget[]>;
  readonly #entries = new Map<string, Entry>();
  readonly #windows = new WindowClock();
  #asking: { entry: Entry; settle: (answer: Promise<LeaseAnswer | null>) => void }[] = [];

  constructor(deps: LeasingBudgetGateDeps) {
    this.#deps = deps;
    const { clock, configurationChanges } = deps;
    this.#budgets = new LoadingCache({
      clock,
      entriesMax: TENANTS_MAX,
      freshMs: FRESH_MS,
      staleMs: STALE_MS,
    });
    configurationChanges.subscribe((change) => {
      if (change === null) this.#budgets.clear();
      else {
        this.#budgets.drop((_, tenantId) => tenantId === change.tenantId);
        // A limit may have been lowered: what is free has to be asked for again.
        void this.#giveBack((entry) => entry.tenantId === change.tenantId);
      }
    });
  }

  async hold(request: BudgetedRequest): Promise<BudgetHold> {
    for (let round = 0; round < ROUNDS_MAX; round += 1) {
      const budgets = await this.#load(request.tenantId);
      const claims = claimsOf(request, budgets, (target) => this.#deps.pricesOf(request.tenantId, target));
      if (claims.length === 0) return NOTHING_HELD;
      const wanted = claims.map((claim) => this.#want(claim, request));
      const lacking = wanted.filter(
        ({ entry, picoUsd }) => !entry.allowance.mayHold(picoUsd, request.deadlineAtMs),
      );
      if (lacking.length === 0) return this.#take(wanted, request);
      await Promise.all(lacking.map((each) => this.#obtain(each, request)));
    }
    throw new FloError('unavailable', 'The budgets are contended now. Try again shortly.', {
      retryAfterMs: 1_000,
    });
  }

  /** Gives back what lies idle; to be called every second or so. */
  async sweep(): Promise<void> {
    const nowMs = this.#deps.clock.nowMs();
    await this.#giveBack(({ allowance }) => allowance.isIdle(nowMs, IDLE_MS) || allowance.isOld(nowMs));
  }

  /** Gives everything back that no request holds. */
  close(): Promise<void> {
    return this.#giveBack(() => true);
  }

  async #load(tenantId: TenantId): Promise<Budget[]> {
    try {
      return await this.#budgets.get(tenantId, () => this.#deps.leases.loadBudgets(tenantId));
    } catch (cause) {
      throw this.#unavailable(cause);
    }
  }

  #unavailable(cause: unknown): FloError {
    return new FloError('unavailable', 'Budgets cannot be read now. Try again shortly.', {
      retryAfterMs: 1_000,
      cause,
    });
  }

  #want(claim: BudgetClaim, request: BudgetedRequest): Wanted {
    const { clock, mint } = this.#deps;
    const { budget, attemptPicoUsd, attempts } = claim;
    const nowMs = clock.nowMs();
    const window = this.#windows.at(budget, request.admittedAtMs);
    const key = `${budget.id} ${window.startMs}`;
    let entry = this.#entries.get(key);
    if (entry !== undefined && entry.refill === null && entry.allowance.isOld(nowMs)) {
      // It is still swept: what is free of it goes back.
      this.#entries.set(`${key} ${entry.allowance.leaseId}`, entry);
      entry = undefined;
    }
    if (entry === undefined || entry.allowance.isOver(nowMs)) {
      const identity = { budgetId: budget.id, leaseId: mint.mint('bls'), window };
      const allowance = new SubAllowance(identity, nowMs);
      entry = { tenantId: budget.tenantId, allowance, next: null, refill: null, refusal: null };
      this.#entries.set(key, entry);
    }
    return { claim, entry, picoUsd: attemptPicoUsd * BigInt(attempts) };
  }

  #take(wanted: readonly Wanted[], request: BudgetedRequest): BudgetHold {
    const nowMs = this.#deps.clock.nowMs();
    for (const { entry, picoUsd } of wanted) {
      const { allowance } = entry;
      allowance.hold(picoUsd, nowMs);
      if (entry.refusal === null && allowance.isLow(picoUsd)) {
        const need = { ahead: allowance.wantedPicoUsd(picoUsd, nowMs), deadlineAtMs: request.deadlineAtMs };
        // Ahead of need: who needs it will find out by itself if it fails.
        this.#refill(entry, { neededPicoUsd: 0n, ...need }).catch(() => null);
      }
    }
    let ended = false;
    return {
      holds: wanted.map(({ claim, entry }) => ({
        budgetId: claim.budget.id,
        leaseId: entry.allowance.leaseId,
        amountPicoUsd: String(claim.attemptPicoUsd),
        windowStartMs: entry.allowance.window.startMs,
      })),
      end: (calls) => {
        if (ended) return;
        ended = true;
        for (const { claim, entry } of wanted) {
          const unused = Math.max(0, claim.attempts - calls);
          entry.allowance.end(claim.attemptPicoUsd * BigInt(unused));
        }
      },
    };
  }

  /** Leases for who waits; rejects with the refusal where the budget has no room. */
  async #obtain({ claim, entry, picoUsd }: Wanted, request: BudgetedRequest): Promise<void> {
    const { clock } = this.#deps;
    const { allowance } = entry;
    const nowMs = clock.nowMs();
    const refuse = (answer: LeaseAnswer): never => {
      const need = { neededPicoUsd: picoUsd, nowMs: clock.nowMs() };
      throw budgetExceeded(claim.budget, allowance.window, answer, need);
    };
    const { refusal } = entry;
    if (
      refusal !== null &&
      nowMs < refusal.untilMs &&
      picoUsd > allowance.freePicoUsd + roomOf(refusal.answer)
    ) {
      refuse(refusal.answer);
    }
    const missing = picoUsd - allowance.freePicoUsd;
    const answer = await this.#refill(entry, {
      neededPicoUsd: missing > 0n ? missing : 0n,
      ahead: allowance.wantedPicoUsd(picoUsd, nowMs),
      deadlineAtMs: request.deadlineAtMs,
    });
    if (answer === null) {
      this.#budgets.drop((_, tenantId) => tenantId === request.tenantId);
      return;
    }
    // With room left, what was leased went to who came before.
    if (answer.leasedNowPicoUsd > 0n || allowance.freePicoUsd + roomOf(answer) >= picoUsd) return;
    entry.refusal = { answer, untilMs: clock.nowMs() + REFUSAL_MS };
    refuse(answer);
  }

  /** Null when the budget is gone. Whoever comes before the statement is sent is in it. */
  #refill(
    entry: Entry,
    need: { neededPicoUsd: bigint; ahead: bigint; deadlineAtMs: number },
  ): Promise<LeaseAnswer | null> {
    const { neededPicoUsd, ahead, deadlineAtMs } = need;
    const { next } = entry;
    if (entry.refill !== null && next === null) return entry.refill;
    if (next === null)
      entry.next = { neededPicoUsd, demandedPicoUsd: neededPicoUsd, aheadPicoUsd: ahead, deadlineAtMs };
    else {
      const smaller = next.neededPicoUsd === 0n || (neededPicoUsd > 0n && neededPicoUsd < next.neededPicoUsd);
      if (smaller) next.neededPicoUsd = neededPicoUsd;
      next.demandedPicoUsd += neededPicoUsd;
      if (ahead > next.aheadPicoUsd) next.aheadPicoUsd = ahead;
      next.deadlineAtMs = Math.max(next.deadlineAtMs, deadlineAtMs);
    }
    entry.refill ??= new Promise((resolve) => {
      if (this.#asking.length === 0) queueMicrotask(() => this.#ask());
      this.#asking.push({ entry, settle: resolve });
    });
    return entry.refill;
  }

  #ask(): void {
    const { clock, leases, owner } = this.#deps;
    const asking = this.#asking;
    this.#asking = [];
    const asks = asking.map(({ entry }): LeaseAsk => {
      const { allowance, next, tenantId } = entry;
      entry.next = null;
      return {
        tenantId,
        budgetId: allowance.budgetId,
        windowStartMs: allowance.window.startMs,
        leaseId: allowance.leaseId,
        isLeased: allowance.isLeased,
        neededPicoUsd: next?.neededPicoUsd ?? 0n,
        demandedPicoUsd: next?.demandedPicoUsd ?? 0n,
        aheadPicoUsd: next?.aheadPicoUsd ?? 0n,
        holdsUntilMs: (next?.deadlineAtMs ?? clock.nowMs()) + HOLDS_SLACK_MS,
      };
    });
    const answers = leases.lease(owner, asks).then(
      (found) => new Map(found.map((answer) => [answer.leaseId, answer])),
      (cause: unknown) => {
        throw this.#unavailable(cause);
      },
    );
    for (const [index, { entry, settle }] of asking.entries()) {
      const holdsUntilMs = asks[index]?.holdsUntilMs ?? 0;
      settle(
        answers
          .then((found) => {
            const answer = found.get(entry.allowance.leaseId) ?? null;
            if (answer !== null && (answer.leasedNowPicoUsd > 0n || entry.allowance.isLeased)) {
              entry.allowance.leased(answer.leasedNowPicoUsd, holdsUntilMs, clock.nowMs());
            }
            if (answer !== null && answer.leasedNowPicoUsd > 0n) entry.refusal = null;
            return answer;
          })
          .finally(() => {
            entry.refill = null;
          }),
      );
    }
  }

  async #giveBack(isMeant: (entry: Entry) => boolean): Promise<void> {
    const nowMs = this.#deps.clock.nowMs();
    const returns: { leaseId: string; picoUsd: bigint }[] = [];
    for (const [key, entry] of this.#entries) {
      const { allowance } = entry;
      // The store gives it back by itself, or has done so.
      if (allowance.isOver(nowMs)) this.#entries.delete(key);
      else if (isMeant(entry) && entry.refill === null) {
        const picoUsd = allowance.drain();
        if (picoUsd > 0n) returns.push({ leaseId: allowance.leaseId, picoUsd });
        if (allowance.requestsUnderWay === 0) this.#entries.delete(key);
      }
    }
    if (returns.length === 0) return;
    try {
      await this.#deps.leases.giveBack(returns);
    } catch (error) {
      // Whether it was taken is not known, so it stays with the store, which lets the leases expire.
      const reason = error instanceof Error ? error.name : 'unknown';
      this.#deps.logger.warn({ leases: returns.length, reason }, 'leases of budgets could not be given back');
    }
  }
}
