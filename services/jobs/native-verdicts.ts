import type { AttemptOutcome } from '#contracts/attempt-event';
import { UNKNOWN_USAGE } from '#contracts/usage';
import type { AttemptReport } from '#domain/attempt-report';
import { FloError } from '#domain/errors';
import { afterLineError, afterNotRun, type LineStanding } from '#domain/native-batch';
import { BATCH_TIER } from '#domain/native-batch-choice';
import type { Clock } from '#domain/ports';
import type { AfterError } from '#domain/work-item';
import type { PayloadSeal } from '#domain/work-ports';
import type { NativeBatch, NativeLine } from '#postgres/native-batch-rows';
import type { NativeBatchLineResult } from '#providers/native-batch';
import type { AnswerFacts, Provider } from '#providers/provider';
import { wireFor } from '#providers/registry';
import { translateFor } from '#runtime/translation';
import { surfaceOf } from '#surfaces/registry';

export type NativeVerdictDeps = {
  seal: PayloadSeal;
  clock: Clock;
  /** In [0, 1). */
  random: () => number;
};

export const EXPIRED = new FloError('timeout', "The provider's batch ended before it came to this line.");
export const CANCELLED = new FloError(
  'cancelled',
  'The batch was cancelled before the provider came to this line.',
);
export const DEADLINE = new FloError(
  'deadline_exceeded',
  'The deadline passed before the provider came to this line.',
);

const notRunOf = (reason: 'expired' | 'cancelled'): FloError =>
  reason === 'cancelled' ? CANCELLED : EXPIRED;

/** What one line's attempt came to, and what becomes of the line. */
export type Verdict = {
  line: NativeLine;
  report: Pick<
    AttemptReport,
    | 'outcome'
    | 'errorCode'
    | 'upstreamStatus'
    | 'upstreamRequestId'
    | 'servedModel'
    | 'providerResponseId'
    | 'finishReason'
    | 'usage'
  >;
  answer: { status: number; body: Uint8Array } | null;
  error: FloError | null;
  after: AfterError | null;
};

/** Judges what became of a line's attempt in a provider's batch, and what is to become of the line. */
export class NativeVerdicts {
  readonly #deps: NativeVerdictDeps;

  constructor(deps: NativeVerdictDeps) {
    this.#deps = deps;
  }

  /** What a result says of a line. */
  async judge(
    batch: NativeBatch,
    provider: Provider,
    line: NativeLine,
    result: NativeBatchLineResult,
  ): Promise<Verdict> {
    if (result.kind === 'not_run') return this.notRun(batch, line, notRunOf(result.reason));
    const { status, body, upstreamRequestId } = result;
    const told = { upstreamStatus: status, upstreamRequestId };
    const fail = (error: FloError): Verdict => {
      const { clock, random } = this.#deps;
      const standing = { ...this.#standingOf(batch, line), nowMs: clock.nowMs(), random: random() };
      return {
        line,
        report: { ...this.#failure(error), ...told },
        answer: null,
        error,
        after: afterLineError(error, standing),
      };
    };
    if (status < 200 || status > 299) {
      const nowMs = this.#deps.clock.nowMs();
      return fail(provider.decodeError({ status, headers: {}, body, nowMs }));
    }
    try {
      const { facts, answer } = await this.#translate(batch, provider, line, body);
      return {
        line,
        report: {
          outcome: 'succeeded',
          errorCode: null,
          servedModel: facts.model,
          providerResponseId: facts.id,
          finishReason: facts.finishReason,
          // Whatever the answer says of itself: this is how the provider charges what runs in a batch.
          usage: { ...facts.usage, serviceTier: BATCH_TIER },
          ...told,
        },
        answer: answer === null ? null : { status, body: answer },
        error: null,
        after: null,
      };
    } catch (error) {
      if (error instanceof FloError) return fail(error);
      throw error;
    }
  }

  /** `answer` is null where the line has ended since and nobody waits for it: what it cost counts all the same. */
  async #translate(
    batch: NativeBatch,
    provider: Provider,
    { header, id, body: sealed }: NativeLine,
    answer: Uint8Array,
  ): Promise<{ facts: AnswerFacts; answer: Uint8Array | null }> {
    if (sealed === null) {
      return { facts: wireFor(provider, surfaceOf(header.surface)).readAnswer(answer), answer: null };
    }
    const place = { tenantId: batch.tenantId, kind: 'work request', id, part: 0 } as const;
    const body = await this.#deps.seal.open(place, sealed);
    const translated = translateFor(header, body, { provider, model: batch.model }).translateAnswer(answer);
    return { facts: translated.facts, answer: translated.body };
  }

  #failure(error: FloError) {
    return {
      outcome: 'failed' as AttemptOutcome,
      errorCode: error.code,
      servedModel: null,
      providerResponseId: null,
      finishReason: null,
      usage: UNKNOWN_USAGE,
    };
  }

  #standingOf(batch: NativeBatch, line: NativeLine): Omit<LineStanding, 'nowMs'> {
    return {
      round: line.rounds + 1,
      isCancelled: batch.cancelledAtMs !== null || line.cancelRequested,
      deadlineAtMs: line.header.deadlineAtMs,
    };
  }

  /** What becomes of a line that was not run. */
  afterNotRun(batch: NativeBatch, line: NativeLine): AfterError {
    return afterNotRun({ ...this.#standingOf(batch, line), nowMs: this.#deps.clock.nowMs() });
  }

  /** For a line that was not run, and why. */
  notRun(batch: NativeBatch, line: NativeLine, error: FloError): Verdict {
    return {
      line,
      report: {
        ...this.#failure(error),
        upstreamStatus: error.upstreamStatus ?? null,
        upstreamRequestId: null,
      },
      answer: null,
      error,
      after: this.afterNotRun(batch, line),
    };
  }
}
