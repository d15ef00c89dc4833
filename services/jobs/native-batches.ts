import { setTimeout as sleep } from 'node:timers/promises';
import type { BatchId, NativeBatchId } from '#contracts/ids';
import { afterNews, waitBeforeLook, type AfterNews } from '#domain/native-batch';
import type { WorkSignals } from '#nats/work-signals';
import type { NativeBatch } from '#postgres/native-batch-rows';
import { NativeLots, type NativeLotDeps } from './native-lots.ts';
import { NativeResults, type NativeResultsDeps } from './native-results.ts';
import { NativeSteps, type NativeStepDeps } from './native-steps.ts';

export type NativeBatchDeps = Omit<NativeLotDeps, 'store'> &
  Omit<NativeResultsDeps, 'store'> &
  NativeStepDeps & { signals: WorkSignals };

const LOOK_INTERVAL_MS = 500;
const LOTS_MAX = 100;
/** Batches of one lot that are put together before anything else is looked at. */
const PASSES_MAX = 50;
/** Batches that are worked on at once; each may have one of its longest answers in memory. */
const AT_ONCE = 4;
/** What was lost on its way has arrived after so many looks' time, or never will. */
const SETTLE_LOOKS = 2;
const TIDY_INTERVAL_MS = 3_600_000;

/**
 * Leads lines through their providers' own batch APIs (`libs/domain/native-batch.ts` has the rules); part of
 * the leader's work. It opens provider keys, as workers do.
 */
export class NativeBatchCoordinator {
  readonly #deps: NativeBatchDeps;
  readonly #lots: NativeLots;
  readonly #steps: NativeSteps;
  readonly #busy = new Map<NativeBatchId, Promise<void>>();
  /** As they were last seen, for people. */
  readonly #seen = new Map<NativeBatchId, NativeBatch>();

  constructor(deps: NativeBatchDeps) {
    this.#deps = deps;
    this.#lots = new NativeLots(deps);
    this.#steps = new NativeSteps(deps, this.#lots, new NativeResults(deps));
  }

  /** Until the signal. Never rejects. */
  async run(signal: AbortSignal): Promise<void> {
    const { store, signals, logger, pollMs } = this.#deps;
    let wake = new AbortController();
    const accepted = signals.onAccepted(() => wake.abort());
    let tidiedAtMs = performance.now();
    while (!signal.aborted) {
      wake = new AbortController();
      try {
        await this.#form(signal);
        for (const batch of await store.due(AT_ONCE + this.#busy.size)) {
          if (this.#busy.size >= AT_ONCE || signal.aborted) break;
          if (!this.#busy.has(batch.id)) this.#begin(batch, signal, () => wake.abort());
        }
        if (performance.now() - tidiedAtMs > TIDY_INTERVAL_MS) {
          tidiedAtMs = performance.now();
          await store.tidy();
        }
      } catch (error) {
        const reason = error instanceof Error ? error.message : String(error);
        logger.warn({ reason }, 'batches at providers cannot be led on; trying again');
      }
      const woken = AbortSignal.any([signal, wake.signal]);
      await sleep(Math.min(LOOK_INTERVAL_MS, pollMs), undefined, { signal: woken }).catch(() => undefined);
    }
    accepted.unsubscribe();
    await Promise.all(this.#busy.values());
  }

  /** Why a batch of flo2's waits for a provider, null where it does not. */
  waitingReason(batchId: BatchId): object | null {
    for (const batch of this.#seen.values()) {
      if (batch.batchId !== batchId) continue;
      const { provider, model, lines, observed, lastError, escalateAtMs } = batch;
      const counts = observed?.counts ?? null;
      const standing = observed === null ? batch.state : observed.status;
      return {
        model,
        code: 'provider_batch',
        message: `${provider} has ${lines} lines in a batch of its own (${standing}${counts === null ? '' : `, ${counts.succeeded + counts.failed} done`})${lastError === null ? '' : `; the last look failed: ${lastError}`}. What it has not done by then goes to the queue.`,
        until: new Date(escalateAtMs).toISOString(),
      };
    }
    return null;
  }

  /** Puts all that waits into batches. */
  async #form(signal: AbortSignal): Promise<void> {
    const { backlog, logger } = this.#deps;
    for (let pass = 0; pass < PASSES_MAX; pass += 1) {
      const lots = await backlog.lots(LOTS_MAX);
      if (lots.length === 0) return;
      for (const lot of lots) {
        if (signal.aborted) return;
        const batch = await this.#lots.form(lot);
        if (batch === null) continue;
        this.#seen.set(batch.id, batch);
        const { id: nativeBatchId, provider, lines } = batch;
        logger.info({ nativeBatchId, provider, lines }, 'a batch for a provider was put together');
      }
    }
  }

  #begin(batch: NativeBatch, signal: AbortSignal, wake: () => void): void {
    const done = this.#advance(batch, signal)
      .catch((error: unknown) => {
        const reason = error instanceof Error ? error.message : String(error);
        this.#deps.logger.warn({ nativeBatchId: batch.id, reason }, 'a batch at a provider cannot be led on');
      })
      .finally(() => {
        this.#busy.delete(batch.id);
        if (this.#busy.size === AT_ONCE - 1) wake();
      });
    this.#busy.set(batch.id, done);
  }

  /** Steps until there is something to wait for. Rejects where a store cannot be reached. */
  async #advance(first: NativeBatch, signal: AbortSignal): Promise<void> {
    const { clock, store, pollMs, random } = this.#deps;
    let batch = first;
    let next: AfterNews['next'] = 'at_once';
    while (next !== 'wait' && !signal.aborted) {
      const { news, changes } = await this.#steps.take(batch, next, signal);
      if (signal.aborted && news.kind === 'lost') return;
      const nowMs = clock.nowMs();
      batch = { ...batch, ...changes };
      const after = afterNews(batch, news, { nowMs, settleMs: SETTLE_LOOKS * pollMs });
      const lastError =
        news.kind === 'lost' || news.kind === 'not_made' ? (news.error?.code ?? 'internal') : null;
      batch = { ...batch, ...after.standing, lastError };
      next = after.next;
      if (batch.state === 'settled') {
        await store.settle(batch.id);
        // Its batch may have ended with it, and the queue may have got lines.
        this.#deps.signals.accepted();
        this.#seen.delete(batch.id);
        return;
      }
      this.#seen.set(batch.id, batch);
      await store.save(batch, nowMs + waitBeforeLook(batch, { nowMs, pollMs, random: random() }));
    }
  }
}
