import type { GrantRequest } from '#contracts/attempt-line';
import type { WorkResult } from '#contracts/work-result';
import { presumedLostEvent, reportedEvent } from '#domain/attempt-report';
import { encodeWireError, FloError } from '#domain/errors';
import { afterLostWorker, terminalStateOf } from '#domain/work-item';
import type { AttemptEventPublisher } from '#nats/attempt-event-publisher';
import type { NativeBatch, NativeLine } from '#postgres/native-batch-rows';
import type { NativeBatchStore } from '#postgres/native-batches';
import type { WorkRecovery } from '#postgres/work-recovery';
import type { WorkResults } from '#postgres/work-results';
import type { NativeBatchLineResult } from '#providers/native-batch';
import type { Provider } from '#providers/provider';
import { faultPoint } from '#runtime/fault-point';
import {
  CANCELLED,
  DEADLINE,
  EXPIRED,
  NativeVerdicts,
  type NativeVerdictDeps,
  type Verdict,
} from './native-verdicts.ts';

export type NativeResultsDeps = NativeVerdictDeps & {
  store: Pick<NativeBatchStore, 'lines' | 'linesNamed' | 'markRecorded' | 'giveToQueue'>;
  results: WorkResults;
  recovery: Pick<WorkRecovery, 'giveUp'>;
  events: AttemptEventPublisher;
};

/** Results taken over at once: bounded in number and in bytes. */
const LINES_AT_ONCE = 200;
const BYTES_AT_ONCE = 8 * 1024 * 1024;

const OUTCOME_UNKNOWN = encodeWireError(
  new FloError(
    'outcome_unknown',
    'The line was in a batch at its provider, which does not say what became of it. Repeat it only if being charged twice is acceptable.',
  ),
);

/** Takes over what came of a provider batch: first the ledger is told, then the lines end or go to the queue. */
export class NativeResults {
  readonly #deps: NativeResultsDeps;
  readonly #verdicts: NativeVerdicts;

  constructor(deps: NativeResultsDeps) {
    this.#deps = deps;
    this.#verdicts = new NativeVerdicts(deps);
  }

  /** All results, and then the lines without one. May be repeated from its beginning after any failure. */
  async takeOver(
    batch: NativeBatch,
    provider: Provider,
    results: AsyncIterable<NativeBatchLineResult>,
  ): Promise<void> {
    let held: NativeBatchLineResult[] = [];
    let bytes = 0;
    for await (const result of results) {
      held.push(result);
      bytes += result.kind === 'answered' ? result.body.length : 0;
      if (held.length < LINES_AT_ONCE && bytes < BYTES_AT_ONCE) continue;
      await this.#record(batch, provider, held);
      held = [];
      bytes = 0;
    }
    await this.#record(batch, provider, held);
    await this.#endRest(
      batch,
      batch.cancelledAtMs !== null || batch.observed?.status === 'cancelled' ? CANCELLED : EXPIRED,
    );
  }

  /** For a batch that was never run: its lines' attempts failed with the error. */
  releaseAll(batch: NativeBatch, error: FloError): Promise<void> {
    return this.#endRest(batch, error);
  }

  /** For a batch that no provider was asked for: its lines made no attempt. */
  async unclaimAll(batch: NativeBatch): Promise<void> {
    for await (const lines of this.#unrecorded(batch)) {
      await this.#settleLines(
        batch,
        lines.map((line) => ({ line, error: CANCELLED, after: this.#verdicts.afterNotRun(batch, line) })),
      );
    }
  }

  /** For one of which nobody knows how it ended: its lines are repeated, flagged, where they may be. */
  async abandonAll(batch: NativeBatch): Promise<void> {
    const { events, store, recovery, clock } = this.#deps;
    for await (const lines of this.#pages(batch, ({ isRecorded, isHeld }) => !isRecorded && isHeld)) {
      for (const line of lines) {
        const times = { grantedAtMs: line.claimedAtMs, nowMs: Math.max(line.claimedAtMs, batch.abandonAtMs) };
        events.publish(presumedLostEvent(line.header, this.#grantOf(batch, line), times));
      }
      await events.flushed();
      const fates = Map.groupBy(lines, ({ header: { deadlineAtMs }, ...line }) =>
        afterLostWorker({ ...line, nowMs: clock.nowMs(), deadlineAtMs }),
      );
      const repeated = (fates.get('repeat') ?? []).map(({ id, attemptNumber }) => ({
        id,
        attemptNumber,
        notBeforeMs: clock.nowMs(),
        error: null,
        possibleDuplicateCharge: true,
      }));
      await store.giveToQueue(batch.id, repeated);
      const ended = (fates.get('outcome_unknown') ?? []).map(({ id, attemptNumber }) => ({
        id,
        attempts: attemptNumber,
      }));
      if (ended.length > 0) await recovery.giveUp(ended, OUTCOME_UNKNOWN);
    }
  }

  #grantOf(batch: NativeBatch, line: NativeLine): GrantRequest {
    return {
      requestId: line.header.requestId,
      step: 0,
      attemptNumber: line.attemptNumber,
      attemptId: line.attemptId,
      workerId: batch.id,
      provider: batch.provider,
      model: batch.model,
      providerKeyId: batch.providerKeyId,
      willCall: true,
    };
  }

  async #record(
    batch: NativeBatch,
    provider: Provider,
    results: readonly NativeBatchLineResult[],
  ): Promise<void> {
    // The first result of a line is the one; whatever else is named is none of ours.
    const byId = new Map<string, NativeBatchLineResult>();
    for (const result of results) if (!byId.has(result.customId)) byId.set(result.customId, result);
    if (byId.size === 0) return;
    const lines = await this.#deps.store.linesNamed(batch.id, [...byId.keys()]);
    const verdicts: Verdict[] = [];
    for (const line of lines) {
      const result = byId.get(line.id);
      if (result === undefined || line.isRecorded) continue;
      verdicts.push(await this.#verdicts.judge(batch, provider, line, result));
    }
    await this.#conclude(batch, verdicts);
  }

  async #endRest(batch: NativeBatch, error: FloError): Promise<void> {
    for await (const lines of this.#unrecorded(batch)) {
      await this.#conclude(
        batch,
        lines.map((line) => this.#verdicts.notRun(batch, line, error)),
      );
    }
  }

  #unrecorded(batch: NativeBatch): AsyncGenerator<NativeLine[]> {
    return this.#pages(batch, ({ isRecorded }) => !isRecorded);
  }

  async *#pages(batch: NativeBatch, wanted: (line: NativeLine) => boolean): AsyncGenerator<NativeLine[]> {
    for (let after = ''; ;) {
      const page = await this.#deps.store.lines(batch.id, after, LINES_AT_ONCE);
      const last = page.at(-1);
      if (last === undefined) return;
      after = last.id;
      const lines = page.filter(wanted);
      if (lines.length > 0) yield lines;
    }
  }

  /** The ledger first: whoever repeats this after a crash tells it the same. */
  async #conclude(batch: NativeBatch, verdicts: readonly Verdict[]): Promise<void> {
    if (verdicts.length === 0) return;
    const { events } = this.#deps;
    for (const { line, report } of verdicts) {
      events.publish(
        reportedEvent(line.header, {
          ...report,
          attemptId: line.attemptId,
          attemptNumber: line.attemptNumber,
          step: 0,
          provider: batch.provider,
          model: batch.model,
          providerKeyId: batch.providerKeyId,
          startedAtMs: line.claimedAtMs,
          firstByteAtMs: null,
          firstTokenAtMs: null,
          endedAtMs: Math.max(line.claimedAtMs, batch.endedAtMs ?? batch.createdAtMs),
        }),
      );
    }
    await events.flushed();
    faultPoint('jobs.native_told');
    await this.#settleLines(batch, verdicts);
  }

  async #settleLines(
    batch: NativeBatch,
    verdicts: readonly (Pick<Verdict, 'line' | 'error' | 'after'> &
      Partial<Pick<Verdict, 'answer' | 'report'>>)[],
  ): Promise<void> {
    const { store, results, clock } = this.#deps;
    const ended: WorkResult[] = [];
    const again: Parameters<NativeBatchStore['giveToQueue']>[1][number][] = [];
    for (const { line, answer, error, after, report } of verdicts) {
      const header = {
        version: 1 as const,
        workItemId: line.id,
        tenantId: batch.tenantId,
        attempts: line.attemptNumber,
        provider: batch.provider,
        model: batch.model,
        upstreamRequestId: report?.upstreamRequestId ?? null,
        endedAtMs: clock.nowMs(),
      };
      if (answer !== null && answer !== undefined) {
        const place = { tenantId: batch.tenantId, kind: 'work answer', id: line.id, part: 0 } as const;
        const { dataKeyVersion, sealed } = await this.#deps.seal.seal(place, answer.body);
        const outcome = { kind: 'answered' as const, status: answer.status, dataKeyVersion };
        ended.push({ header: { ...header, outcome }, body: sealed });
      } else if (line.isHeld && after !== null) {
        const wire = error === null ? null : encodeWireError(error);
        if (after.state === 'queued') {
          const { id, attemptNumber } = line;
          const notBeforeMs = after.notBeforeMs;
          again.push({ id, attemptNumber, notBeforeMs, error: wire, possibleDuplicateCharge: false });
        } else {
          const outcome = {
            kind: 'failed' as const,
            error: encodeWireError(this.#endingOf(after.state, error)),
          };
          ended.push({ header: { ...header, outcome }, body: new Uint8Array() });
        }
      }
    }
    if (ended.length > 0) await results.record(ended, terminalStateOf);
    if (again.length > 0) await store.giveToQueue(batch.id, again);
    faultPoint('jobs.native_recorded');
    await store.markRecorded(
      batch.id,
      verdicts.map(({ line }) => line.id),
    );
  }

  /** The error a line ends with: its state is told by its code. */
  #endingOf(state: string, error: FloError | null): FloError {
    if (state === 'cancelled') return CANCELLED;
    if (state === 'expired') return DEADLINE;
    return error ?? new FloError('internal', 'flo2 failed.');
  }
}
