import { setTimeout as sleep } from 'node:timers/promises';
import type { Logger } from '#domain/ports';
import type { AskedClaim, SealedBytes, WorkClaims } from '#domain/work-ports';

/** Statements under way at once: while one is committed the next gathers. */
const FLIGHTS_MAX = 2;
const CLAIMS_PER_STATEMENT_MAX = 256;
const BACK_OFF_MS = 1_000;

/** The body of what was won; `silent` only where the worker is stopped before the store has answered. */
export type ClaimAnswer = SealedBytes | 'lost' | 'silent';

type Waiting = { asked: AskedClaim; resolve: (answer: ClaimAnswer) => void };

/**
 * Claims attempts, those of one moment in one statement: a transaction for each would bound a worker to what
 * the store can commit one by one. A claim whose answer is lost is asked again until it is known, since it
 * may have been won; the store knows it by its attempt id. Bounded by the worker's slots.
 */
export class ClaimBatcher {
  readonly #claims: WorkClaims;
  readonly #workerId: string;
  readonly #logger: Logger;
  readonly #signal: AbortSignal;
  #waiting: Waiting[] = [];
  #flights = 0;

  constructor(options: { claims: WorkClaims; workerId: string; logger: Logger; signal: AbortSignal }) {
    this.#claims = options.claims;
    this.#workerId = options.workerId;
    this.#logger = options.logger;
    this.#signal = options.signal;
  }

  claim(asked: AskedClaim): Promise<ClaimAnswer> {
    return new Promise((resolve) => {
      this.#waiting.push({ asked, resolve });
      if (this.#waiting.length === 1) setImmediate(() => this.#send());
    });
  }

  #send(): void {
    while (this.#flights < FLIGHTS_MAX && this.#waiting.length > 0) {
      this.#flights += 1;
      const batch = this.#waiting.splice(0, CLAIMS_PER_STATEMENT_MAX);
      void this.#fly(batch).finally(() => {
        this.#flights -= 1;
        this.#send();
      });
    }
  }

  async #fly(batch: readonly Waiting[]): Promise<void> {
    // In one order everywhere: two statements with the same items then wait instead of deadlocking.
    const asked = batch.map((waiting) => waiting.asked).sort((a, b) => (a.id < b.id ? -1 : 1));
    for (;;) {
      try {
        const won = await this.#claims.claim(this.#workerId, asked);
        for (const { asked: one, resolve } of batch) resolve(won.get(one.id) ?? 'lost');
        return;
      } catch (error) {
        const reason = error instanceof Error ? error.message : String(error);
        this.#logger.warn({ claims: batch.length, reason }, 'work cannot be claimed; trying again');
        await sleep(BACK_OFF_MS, undefined, { signal: this.#signal }).catch(() => undefined);
        if (!this.#signal.aborted) continue;
        for (const { resolve } of batch) resolve('silent');
        return;
      }
    }
  }
}
