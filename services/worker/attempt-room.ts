import type { DispatchHeader } from '#contracts/dispatch';
import type { ProviderKeyId } from '#contracts/ids';
import type { Reservation } from '#contracts/reservation';
import { FloError } from '#domain/errors';
import { IN_PROCESS_WAIT_MAX_MS } from '#domain/failover';
import type { RateLimiter } from '#domain/ports';
import type { UpstreamAttemptResult } from './upstream-attempt.ts';

/** How long another key of a target is waited for before the next target is taken; the last target has no next. */
const OTHER_KEY_WAIT_MS = 2_000;
const FIRST_WAIT_MS = 3_000;

/**
 * The room under rate limits that one run holds for its attempts: what the dispatch brought, then what it asks
 * for itself. At most one reservation is held at a time; each is settled by the call made with it, or given back.
 */
export class AttemptRoom {
  readonly #limiter: RateLimiter;
  readonly #header: DispatchHeader;
  readonly #signal: AbortSignal;
  readonly #tried = new Set<ProviderKeyId>();
  #held: Reservation | null;

  constructor(limiter: RateLimiter, header: DispatchHeader, signal: AbortSignal) {
    this.#limiter = limiter;
    this.#header = header;
    this.#signal = signal;
    this.#held = header.reservation?.step === header.step ? header.reservation : null;
  }

  /** Keys of the target that no attempt was made with. */
  get untriedKeys(): number {
    const keys = this.#header.plan.steps[this.#header.step]?.providerKeyIds ?? [];
    return keys.filter((id) => !this.#tried.has(id)).length;
  }

  /** The key to call with, by its place among the target's. */
  get keyIndex(): number {
    return this.#held?.keyIndex ?? 0;
  }

  async #reserve(wanted: {
    fromStep: number;
    toStep: number;
    waitMs: number;
    nowMs: number;
    untriedOnly: boolean;
    isRepeat?: boolean;
  }): Promise<Reservation | null> {
    const { tenantId, lane, attribution, plan, deadlineAtMs, reservation } = this.#header;
    try {
      return await this.#limiter.reserve({
        tenantId,
        lane,
        team: attribution.team ?? null,
        feature: attribution.feature ?? null,
        routing: { providerKeys: [], shares: { teams: {}, features: {} } },
        plan,
        fromStep: wanted.fromStep,
        toStep: wanted.toStep,
        isRepeat: wanted.isRepeat,
        triedKeyIds: wanted.untriedOnly ? this.#tried : undefined,
        inputTokens: reservation?.inputTokens ?? 0,
        outputTokens: reservation?.outputTokens ?? 0,
        deadlineAtMs: Math.min(deadlineAtMs, wanted.nowMs + wanted.waitMs),
        signal: this.#signal,
      });
    } catch (error) {
      if (error instanceof FloError) return null;
      throw error;
    }
  }

  async #hold(reservation: Promise<Reservation | null>): Promise<boolean> {
    this.release();
    this.#held = await reservation;
    return this.#held !== null;
  }

  /**
   * Room for the first attempt, where the dispatch brought none. Not waited for longer than its message stays
   * with this worker unacknowledged; the call is made without then.
   */
  async first(nowMs: number): Promise<void> {
    if (this.#held !== null) return;
    const { step } = this.#header;
    const waitMs = FIRST_WAIT_MS;
    await this.#hold(this.#reserve({ fromStep: step, toStep: step, waitMs, nowMs, untriedOnly: false }));
  }

  /** Room for a key of the same target that was not tried yet, where one has it soon. */
  otherKey(nowMs: number): Promise<boolean> {
    const { step, plan } = this.#header;
    const waitMs = step + 1 < plan.steps.length ? OTHER_KEY_WAIT_MS : IN_PROCESS_WAIT_MAX_MS;
    return this.#hold(this.#reserve({ fromStep: step, toStep: step, waitMs, nowMs, untriedOnly: true }));
  }

  /**
   * Room at the same target once more: with a key that was not tried yet, else with any, where the account's calls
   * were not repeated enough already.
   */
  async again(nowMs: number): Promise<boolean> {
    const { step } = this.#header;
    if (this.untriedKeys > 0 && (await this.otherKey(nowMs))) return true;
    const waitMs = IN_PROCESS_WAIT_MAX_MS;
    const wanted = { fromStep: step, toStep: step, waitMs, nowMs, untriedOnly: false, isRepeat: true };
    return this.#hold(this.#reserve(wanted));
  }

  /** Room at a later target, to be sent along; the first of them that is healthy and has it. */
  later(fromStep: number, nowMs: number): Promise<Reservation | null> {
    this.release();
    const { plan, deadlineAtMs } = this.#header;
    const toStep = plan.steps.length - 1;
    return this.#reserve({ fromStep, toStep, waitMs: deadlineAtMs - nowMs, nowMs, untriedOnly: false });
  }

  /** A call was made with what is held. */
  settle(result: UpstreamAttemptResult): void {
    const reservation = this.#held;
    if (reservation === null) return;
    this.#held = null;
    this.#tried.add(reservation.providerKeyId);
    const { error, facts, readings, startedAtMs, firstTokenAtMs, endedAtMs } = result;
    const isKnown = facts.usage.source === 'provider';
    const { tokens } = facts.usage;
    this.#limiter.settle(reservation, {
      error: error === null ? null : { code: error.code, retryAfterMs: error.retryAfterMs },
      inputTokens: isKnown ? (tokens.input ?? 0) + (tokens.cache_read ?? 0) : null,
      outputTokens: isKnown ? (tokens.output ?? 0) : null,
      readings,
      startedAtMs,
      firstTokenAtMs,
      endedAtMs,
    });
  }

  /** No call is made with what is held. A key that could not be used is not tried again. */
  release(): void {
    if (this.#held === null) return;
    this.#tried.add(this.#held.providerKeyId);
    this.#limiter.release(this.#held);
    this.#held = null;
  }
}
