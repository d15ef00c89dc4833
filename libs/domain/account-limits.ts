import type { RateLimitReading } from '#contracts/rate-limit-reading';
import type { ApiKeyLimits } from './api-key.ts';
import { TokenBucket } from './token-bucket.ts';

export type LimitUnit = RateLimitReading['unit'];
export type CallCost = { inputTokens: number; outputTokens: number };

/** What each limit had given out by then; tells what was given out since. */
export type SpendMark = Partial<Record<LimitUnit, number>>;

export type LimitSnapshot = { unit: LimitUnit; limit: number; windowMs: number };

const MINUTE_MS = 60_000;
const COMMON_OUTPUT_TOKENS = 1_000;
/** What is taken for a call that another owner had granted. */
const AVERAGE_COST: CallCost = { inputTokens: 500, outputTokens: 500 };

export const tokensOf = ({ inputTokens, outputTokens }: CallCost): number => inputTokens + outputTokens;

const costIn = (unit: LimitUnit, cost: CallCost): number => {
  switch (unit) {
    case 'requests':
      return 1;
    case 'tokens':
      return tokensOf(cost);
    case 'input_tokens':
      return cost.inputTokens;
    case 'output_tokens':
      return cost.outputTokens;
  }
};

export type Shortage = { of: 'requests' | 'tokens'; waitMs: number };

const shortageOf = (unit: LimitUnit, waitMs: number): Shortage => ({
  of: unit === 'requests' ? 'requests' : 'tokens',
  waitMs,
});

/**
 * A limit over more than this is a quota, such as Groq's requests a day: spread over its window it would let one
 * call through in six seconds. Who has used it up is told by a 429, and the key is set aside until it says.
 */
const PACED_WINDOW_MS_MAX = 3_600_000;

type Allowed = { limit: number; windowMs: number };

const slowerOf = (one: Allowed | undefined, other: Allowed | undefined): Allowed | undefined => {
  if (one === undefined || other === undefined) return one ?? other;
  return other.limit / other.windowMs < one.limit / one.windowMs ? other : one;
};

/**
 * All the limits of one account together. A limit is there once the tenant has declared it or the provider has told
 * it. Where both have, the lower one holds: who declares less than the provider allows keeps the rest for others.
 * An account without limits is never short.
 */
export class AccountLimits {
  readonly #buckets = new Map<LimitUnit, TokenBucket>();
  readonly #told = new Map<LimitUnit, Allowed>();
  readonly #declared = new Map<LimitUnit, Allowed>();

  constructor(known: readonly LimitSnapshot[], nowMs: number) {
    for (const { unit, limit, windowMs } of known) {
      this.#told.set(unit, { limit, windowMs });
      // Whoever knew it may have given out all there was a moment ago.
      this.#buckets.set(unit, new TokenBucket({ limit, windowMs, nowMs, level: 0 }));
    }
  }

  /** Whether a limit of requests is known, so that calls at once need not be tried out. */
  get paces(): boolean {
    return this.#buckets.has('requests');
  }

  /** What the provider has told. */
  snapshot(): LimitSnapshot[] {
    return [...this.#told].map(([unit, { limit, windowMs }]) => ({ unit, limit, windowMs }));
  }

  declare(limits: ApiKeyLimits, nowMs: number): void {
    this.#declareOne('requests', limits.requestsPerMinute, nowMs);
    this.#declareOne('tokens', limits.tokensPerMinute, nowMs);
  }

  #declareOne(unit: LimitUnit, limit: number | undefined, nowMs: number): void {
    if (limit === this.#declared.get(unit)?.limit) return;
    if (limit === undefined) this.#declared.delete(unit);
    else this.#declared.set(unit, { limit, windowMs: MINUTE_MS });
    this.#keepTo(unit, nowMs);
  }

  /** The bucket of what is told and declared now; what is in it stays. */
  #keepTo(unit: LimitUnit, nowMs: number): void {
    const allowed = slowerOf(this.#told.get(unit), this.#declared.get(unit));
    const known = this.#buckets.get(unit);
    if (allowed === undefined) this.#buckets.delete(unit);
    else if (known !== undefined) known.resize(allowed.limit, allowed.windowMs, nowMs);
    else this.#buckets.set(unit, new TokenBucket({ ...allowed, nowMs }));
  }

  /**
   * What is to be taken for it: no more than the limits let through at once. A bound on the answer that no limit lets
   * through tells nothing of its length, and is taken for that of a common one.
   */
  capped({ inputTokens, outputTokens }: CallCost): CallCost {
    const most = (unit: LimitUnit): number => this.#buckets.get(unit)?.capacity ?? Number.POSITIVE_INFINITY;
    const input = Math.min(inputTokens, most('input_tokens'), most('tokens'));
    const outputMost = Math.min(most('output_tokens'), most('tokens'));
    const output = outputTokens > outputMost ? COMMON_OUTPUT_TOKENS : outputTokens;
    return {
      inputTokens: input,
      outputTokens: Math.min(output, most('output_tokens'), Math.max(0, most('tokens') - input)),
    };
  }

  spend(cost: CallCost, nowMs: number): SpendMark {
    const mark: SpendMark = {};
    for (const [unit, bucket] of this.#buckets) {
      bucket.spend(costIn(unit, cost), nowMs);
      mark[unit] = bucket.spent;
    }
    return mark;
  }

  giveBack(cost: CallCost, mark: SpendMark, nowMs: number): void {
    for (const [unit, bucket] of this.#buckets) {
      if (mark[unit] !== undefined) bucket.spend(-costIn(unit, cost), nowMs);
    }
  }

  /**
   * A call that was dearer than it was taken for is a debt, and a cheaper one is given back: a provider that
   * charges what was asked for, and not what was answered, says so in its headers.
   */
  correct(taken: CallCost, real: CallCost, mark: SpendMark, nowMs: number): void {
    for (const [unit, bucket] of this.#buckets) {
      if (mark[unit] === undefined) continue;
      bucket.refund(costIn(unit, taken) - costIn(unit, real), nowMs);
    }
  }

  /**
   * Takes what the headers of an answer say. `mark` is what was given out when its call was let go, null where
   * another owner let it go; `underWay` is how many calls are out now.
   */
  learn(
    readings: readonly RateLimitReading[],
    call: { mark: SpendMark | null; underWay: number; durationMs: number },
    nowMs: number,
  ): void {
    for (const { unit, limit, remaining, windowMs } of readings) {
      if ((windowMs ?? MINUTE_MS) > PACED_WINDOW_MS_MAX) continue;
      // Some servers say so where they have none.
      if (limit === 0) continue;
      if (limit !== null) {
        this.#told.set(unit, { limit, windowMs: windowMs ?? this.#told.get(unit)?.windowMs ?? MINUTE_MS });
        this.#keepTo(unit, nowMs);
      }
      const bucket = this.#buckets.get(unit);
      if (bucket === undefined) continue;
      const spentThen = call.mark?.[unit];
      const spentSince =
        spentThen === undefined ? call.underWay * costIn(unit, AVERAGE_COST) : bucket.spent - spentThen;
      bucket.learn({ remaining, spentSince, ageMs: call.durationMs }, nowMs);
    }
  }

  /** The provider said that nothing is left. */
  empty(of: Shortage['of'], nowMs: number): void {
    for (const [unit, bucket] of this.#buckets) {
      if (shortageOf(unit, 0).of === of) bucket.empty(nowMs);
    }
  }

  /** What lasts longest of what keeps a call from going out now; `reserveShare` of every limit stays in it. */
  shortageFor(cost: CallCost, nowMs: number, reserveShare = 0): Shortage | null {
    let longest: Shortage | null = null;
    for (const [unit, bucket] of this.#buckets) {
      const waitMs = bucket.waitMs(costIn(unit, cost), nowMs, bucket.partOf(reserveShare, nowMs));
      if (waitMs > (longest?.waitMs ?? 0)) longest = shortageOf(unit, waitMs);
    }
    return longest;
  }

  /** As `shortageFor`, behind so many calls of so many tokens. */
  shortageBehind(ahead: { calls: number; tokens: number }, cost: CallCost, nowMs: number): Shortage | null {
    let longest: Shortage | null = null;
    for (const [unit, bucket] of this.#buckets) {
      const costAhead = unit === 'requests' ? ahead.calls : ahead.tokens;
      const waitMs = Math.ceil(bucket.paceMs(costAhead)) + bucket.waitMs(costIn(unit, cost), nowMs);
      if (waitMs > (longest?.waitMs ?? 0)) longest = shortageOf(unit, waitMs);
    }
    return longest;
  }

  /** How many such calls fit while every limit stays half full. */
  spareFor(cost: CallCost, nowMs: number): number {
    let count = Number.POSITIVE_INFINITY;
    for (const [unit, bucket] of this.#buckets) {
      const spare = bucket.level(nowMs) - bucket.capacity / 2;
      count = Math.min(count, Math.floor(spare / Math.max(1, costIn(unit, cost))));
    }
    return Math.max(0, count);
  }
}
