import { setTimeout as sleep } from 'node:timers/promises';
import type { AnswerHead } from '#contracts/attempt-line';
import type { DispatchHeader, PlanStep } from '#contracts/dispatch';
import type { AttemptId, ProviderKeyId } from '#contracts/ids';
import { reportedEvent } from '#domain/attempt-report';
import { FloError } from '#domain/errors';
import { firstByteBudgetMs, nextMove, type Move } from '#domain/failover';
import type { Clock, Logger, ProviderCredentials, RateLimiter } from '#domain/ports';
import type { UpstreamClient } from '#http/upstream-client';
import type { AttemptEventPublisher } from '#nats/attempt-event-publisher';
import type { DispatchPublisher, ReceivedDispatch } from '#nats/dispatch-queue';
import { faultPoint } from '#runtime/fault-point';
import { answerHeadOf } from './answer-head.ts';
import { AttemptRoom } from './attempt-room.ts';
import type { AnswerSink, RequestOwner } from './attempt-ports.ts';
import { CoalescingWriter } from './coalescing-writer.ts';
import { handedOn } from './handed-on.ts';
import { prepareAttempt, type Prepared } from './prepare-attempt.ts';
import type { RequestInHand } from './requests-in-hand.ts';
import { UpstreamAttempt, type UpstreamAttemptResult } from './upstream-attempt.ts';

export type DispatchRunDeps = {
  credentials: ProviderCredentials;
  upstream: UpstreamClient;
  /** To the first byte of an answer, where the route says nothing; and between its bytes. */
  timeouts: { firstByteMs: number; idleMs: number };
  events: AttemptEventPublisher;
  queue: DispatchPublisher;
  limiter: RateLimiter;
  clock: Clock;
  random: () => number;
  logger: Logger;
};

type Granted = { attemptId: AttemptId; sink: AnswerSink };

/**
 * One message of the queue, from its delivery to the request's end or its hand-over to the next target.
 *
 *   delivered ─▶ prepared ─▶ won ─▶ called ─▶ event published ─▶ answer told
 *                   ▲        (ack)                  │
 *                   └────────── retry ──────────────┤
 *                                                   └─▶ next step published ─▶ hand-over told
 *
 * Who may call and where the answer goes is the owner's (`attempt-ports.ts`); all else is the same in every
 * lane. Nothing is called that was not won; the message is acknowledged right after the first time, so a
 * worker that dies before leaves it to another, and one that dies after is missed by the owner. The event
 * goes out before the answer's last word: whoever has a whole answer is in the ledger.
 */
export class DispatchRun {
  readonly #deps: DispatchRunDeps;
  readonly #received: ReceivedDispatch;
  readonly #header: DispatchHeader;
  readonly #step: PlanStep;
  readonly #request: RequestInHand;
  readonly #owner: RequestOwner;
  #attempts: number;
  #attemptsAtStep = 0;
  readonly #room: AttemptRoom;
  #grantedAtMs = 0;
  #acknowledged = false;

  constructor(
    deps: DispatchRunDeps,
    received: ReceivedDispatch,
    step: PlanStep,
    request: RequestInHand,
    owner: RequestOwner,
  ) {
    this.#deps = deps;
    this.#owner = owner;
    this.#received = received;
    this.#header = received.dispatch.header;
    this.#step = step;
    this.#request = request;
    this.#attempts = this.#header.firstAttempt - 1;
    this.#room = new AttemptRoom(deps.limiter, this.#header, request.abort.signal);
  }

  async run(): Promise<void> {
    try {
      await this.#room.first(this.#deps.clock.nowMs());
      await this.#attemptUntilOver();
    } finally {
      this.#room.release();
    }
  }

  async #attemptUntilOver(): Promise<void> {
    const { signal } = this.#request.abort;
    while (!signal.aborted) {
      const target = { body: this.#owner.body, model: this.#step.model, providerKeyId: this.#keyId() };
      const prepared = await prepareAttempt(this.#deps, this.#header, target);
      const granted = await this.#win(!(prepared instanceof FloError));
      if (granted === null) return;
      if (prepared instanceof FloError) {
        // No call was made: the grant only lets this worker move the request on, or answer it.
        this.#room.release();
        if (!(await this.#carryOut(this.#moveInsteadOf(prepared), prepared, granted.sink, null))) return;
        continue;
      }
      this.#attemptsAtStep += 1;
      const result = await this.#call(prepared, granted);
      if (result.error === null) {
        this.#answer(result, prepared, granted.sink);
        return;
      }
      const move: Move = result.committed ? { kind: 'give_up' } : this.#moveAfter(result.error);
      const { upstreamRequestId } = result;
      if (!(await this.#carryOut(move, result.error, granted.sink, upstreamRequestId))) return;
    }
    this.#acknowledge();
  }

  #keyId(): ProviderKeyId {
    const keyId = this.#step.providerKeyIds[this.#room.keyIndex];
    if (keyId === undefined) throw new RangeError('a key beyond the plan');
    return keyId;
  }

  /** Wins the next attempt; null when nobody waits for the request, or another worker has it. */
  async #win(willCall: boolean): Promise<Granted | null> {
    const attemptNumber = this.#attempts + 1;
    const { gate, openSink } = this.#owner;
    const verdict = await gate.win({ attemptNumber, providerKeyId: this.#keyId(), willCall });
    // Whoever is silent may come back: the message stays with the queue.
    if (verdict.kind === 'silent') return null;
    faultPoint('worker.granted');
    this.#acknowledge();
    if (verdict.kind === 'lost') return null;
    faultPoint('worker.acknowledged');
    this.#attempts = attemptNumber;
    this.#grantedAtMs = this.#deps.clock.nowMs();
    return { attemptId: verdict.attemptId, sink: openSink(attemptNumber) };
  }

  #acknowledge(): void {
    if (!this.#acknowledged) this.#received.done();
    this.#acknowledged = true;
  }

  async #call(prepared: Prepared, granted: Granted): Promise<UpstreamAttemptResult> {
    const { clock, upstream, events } = this.#deps;
    const { plan, step, stream, streamFraming, deadlineAtMs } = this.#header;
    const { attemptId, sink } = granted;
    const writer = new CoalescingWriter((bytes) => sink.data(bytes));
    this.#request.writer = writer;
    const result = await new UpstreamAttempt({
      attemptId,
      ...prepared,
      stream,
      firstByteBudgetMs: Math.min(
        firstByteBudgetMs({ plan, step, nowMs: clock.nowMs(), deadlineAtMs }),
        plan.attemptTimeoutMs === null ? this.#deps.timeouts.firstByteMs : Number.POSITIVE_INFINITY,
      ),
      idleMs: this.#deps.timeouts.idleMs,
      signal: this.#request.abort.signal,
      upstream,
      clock,
      streamFraming,
      onHead: (answer) => sink.head(this.#head(answer, prepared)),
      writer,
    }).run();
    this.#request.writer = null;
    this.#room.settle(result);
    faultPoint('worker.event_publishing');
    events.publish(
      reportedEvent(this.#header, {
        attemptId,
        attemptNumber: this.#attempts,
        step,
        provider: this.#step.provider,
        model: this.#step.model,
        providerKeyId: prepared.credential.id,
        outcome: result.outcome,
        errorCode: result.error?.code ?? null,
        upstreamStatus: result.upstreamStatus,
        upstreamRequestId: result.upstreamRequestId,
        servedModel: result.facts.model,
        providerResponseId: result.facts.id,
        finishReason: result.facts.finishReason,
        usage: result.facts.usage,
        startedAtMs: result.startedAtMs,
        firstByteAtMs: result.firstByteAtMs,
        firstTokenAtMs: result.firstTokenAtMs,
        endedAtMs: result.endedAtMs,
      }),
    );
    faultPoint('worker.event_published');
    return result;
  }

  #head(answer: Parameters<typeof answerHeadOf>[0], { translation }: Prepared): AnswerHead {
    const grantedAtMs = this.#grantedAtMs;
    return answerHeadOf(answer, { header: this.#header, step: this.#step, translation, grantedAtMs });
  }

  #answer(result: UpstreamAttemptResult, prepared: Prepared, sink: AnswerSink): void {
    if (result.answer === null) {
      sink.end();
      return;
    }
    const { status, contentType, body } = result.answer;
    const { upstreamRequestId } = result;
    sink.answer(this.#head({ status, contentType, upstreamRequestId }, prepared), body);
  }

  #moveAfter(error: FloError, untriedKeys = this.#room.untriedKeys): Move {
    const { plan, step, deadlineAtMs } = this.#header;
    return nextMove(
      {
        plan,
        step,
        untriedKeys,
        attempts: this.#attempts,
        attemptsAtStep: this.#attemptsAtStep,
        nowMs: this.#deps.clock.nowMs(),
        deadlineAtMs,
        random: this.#deps.random(),
      },
      error,
    );
  }

  /** What this target cannot be asked, the next one may: it may speak the client's own dialect. */
  #moveInsteadOf(error: FloError): Move {
    const step = this.#header.step + 1;
    const untranslatable = error.code === 'invalid_request' && step < this.#header.plan.steps.length;
    return untranslatable ? { kind: 'hand_over', step } : this.#moveAfter(error);
  }

  /** Resolves to whether this worker goes on with the request. */
  async #carryOut(
    move: Move,
    error: FloError,
    sink: AnswerSink,
    upstreamRequestId: string | null,
  ): Promise<boolean> {
    switch (move.kind) {
      case 'give_up':
        sink.fail(error, upstreamRequestId);
        return false;
      case 'other_key': {
        if (await this.#room.otherKey(this.#deps.clock.nowMs())) return true;
        return this.#carryOut(this.#moveAfter(error, 0), error, sink, upstreamRequestId);
      }
      case 'retry': {
        const { signal } = this.#request.abort;
        const nowMs = this.#deps.clock.nowMs();
        // First, so that who may not repeat is told at once, and what was waited for room is not waited again.
        if (await this.#room.again(nowMs)) {
          const leftMs = Math.max(0, nowMs + move.delayMs - this.#deps.clock.nowMs());
          await sleep(leftMs, undefined, { signal }).catch(() => undefined);
          if (!signal.aborted) return true;
        }
        sink.fail(signal.reason instanceof FloError ? signal.reason : error, upstreamRequestId);
        return false;
      }
      case 'hand_over':
        await this.#handOver(move.step, error, sink, upstreamRequestId);
        return false;
    }
  }

  async #handOver(
    firstStep: number,
    error: FloError,
    sink: AnswerSink,
    upstreamRequestId: string | null,
  ): Promise<void> {
    const { dispatch } = this.#received;
    const reservation = await this.#room.later(firstStep, this.#deps.clock.nowMs());
    if (reservation === null) {
      sink.fail(error, upstreamRequestId);
      return;
    }
    const { step } = reservation;
    const taken = { reservation, attempts: this.#attempts, uncalled: this.#owner.uncalled() };
    const header = handedOn(this.#header, taken);
    try {
      faultPoint('worker.handing_over');
      await this.#deps.queue.publish({ header, body: dispatch.body });
      faultPoint('worker.handed_over');
    } catch (failure) {
      const { requestId } = header;
      const reason = failure instanceof FloError ? failure.code : 'internal';
      this.#deps.limiter.release(reservation);
      this.#deps.logger.warn({ requestId, step, reason }, 'a request could not be handed over');
      sink.fail(error, upstreamRequestId);
      return;
    }
    sink.handOver(step);
  }
}
