import type { AnswerHead } from '#contracts/attempt-line';
import type { DispatchHeader, PlanStep } from '#contracts/dispatch';
import type { AttemptId, ProviderKeyId, TenantId, WorkItemId } from '#contracts/ids';
import type { WorkResultHeader } from '#contracts/work-result';
import { encodeWireError, FloError } from '#domain/errors';
import type { IdMint } from '#domain/mint-id';
import type { Clock, Logger, RateLimiter } from '#domain/ports';
import { afterError } from '#domain/work-item';
import type { AskedClaim, PayloadSeal } from '#domain/work-ports';
import type { ReceivedDispatch } from '#nats/dispatch-queue';
import type { WorkResultPublisher } from '#nats/work-results';
import type { AnswerSink, AskedAttempt, RequestOwner } from './attempt-ports.ts';
import type { ClaimBatcher } from './claim-batcher.ts';

export type WorkOwnerDeps = {
  claims: ClaimBatcher;
  results: WorkResultPublisher;
  seal: PayloadSeal;
  limiter: Pick<RateLimiter, 'release'>;
  clock: Clock;
  mint: IdMint;
  /** In [0, 1). */
  random: () => number;
  logger: Logger;
};

type Item = { id: WorkItemId; round: number };

/** Tells once what came of a work item; attempts that are handed on tell nothing. */
class WorkOwner {
  readonly #deps: WorkOwnerDeps;
  readonly #header: DispatchHeader;
  readonly #step: PlanStep;
  readonly #item: Item;
  #attempts: number;
  /** What was claimed with the message, until the run asks for it. */
  #claimed: AttemptId | null;
  /** The first one came with the message. */
  #claims = 1;
  #calls = 0;
  #isOver = false;
  #answering: Promise<void> | null = null;

  constructor(
    deps: WorkOwnerDeps,
    dispatch: { header: DispatchHeader; step: PlanStep; item: Item },
    claimed: AttemptId,
  ) {
    this.#deps = deps;
    this.#header = dispatch.header;
    this.#step = dispatch.step;
    this.#item = dispatch.item;
    this.#attempts = dispatch.header.firstAttempt;
    this.#claimed = claimed;
  }

  /** A run that ends between a claim and its call counts as one that called nobody. */
  get uncalled(): number {
    return (this.#header.uncalled ?? 0) + this.#claims - this.#calls;
  }

  async win({ attemptNumber: attempt, providerKeyId, willCall }: AskedAttempt) {
    const claimed = this.#claimed;
    this.#claimed = null;
    if (claimed !== null) {
      if (willCall) this.#calls += 1;
      return { kind: 'won' as const, attemptId: claimed };
    }
    const asked = claimOf(this.#deps, this.#header, this.#step, this.#item.id, attempt, providerKeyId);
    const answer = await this.#deps.claims.claim(asked);
    // Whoever has it now tells what comes of it; while the store is silent, nobody knows who has.
    if (typeof answer === 'string') {
      this.#isOver = true;
      return { kind: answer };
    }
    this.#attempts = attempt;
    this.#claims += 1;
    if (willCall) this.#calls += 1;
    return { kind: 'won' as const, attemptId: asked.claim.attemptId };
  }

  sink(): AnswerSink {
    const notStreamed = (): never => {
      throw new TypeError('a work item is answered whole');
    };
    return {
      head: notStreamed,
      data: notStreamed,
      end: notStreamed,
      answer: (head, body) => {
        this.#answering = this.#answer(head, body);
      },
      handOver: () => {
        this.#isOver = true;
      },
      fail: (error, upstreamRequestId) => this.fail(error, upstreamRequestId),
    };
  }

  async #answer(head: AnswerHead, body: Uint8Array): Promise<void> {
    this.#isOver = true;
    const { tenantId } = this.#header;
    try {
      const place = { tenantId, kind: 'work answer', id: this.#item.id, part: 0 } as const;
      const { dataKeyVersion, sealed } = await this.#deps.seal.seal(place, body);
      this.#publish(
        head.upstreamRequestId,
        { kind: 'answered', status: head.status, dataKeyVersion },
        sealed,
      );
    } catch (error) {
      this.#deps.logger.error({ workItemId: this.#item.id, err: error }, 'an answer could not be sealed');
      this.#isOver = false;
      this.fail(new FloError('internal', 'flo2 could not keep the answer.', { cause: error }), null);
    }
  }

  fail(error: FloError, upstreamRequestId: string | null): void {
    if (this.#isOver) return;
    this.#isOver = true;
    const { clock, random } = this.#deps;
    const after = afterError(error, {
      round: this.#item.round,
      nowMs: clock.nowMs(),
      deadlineAtMs: this.#header.deadlineAtMs,
      random: random(),
    });
    const told = encodeWireError(error);
    this.#publish(
      upstreamRequestId,
      after.state === 'queued'
        ? { kind: 'again', error: told, notBeforeMs: after.notBeforeMs }
        : { kind: 'failed', error: told },
    );
  }

  async close(reason: unknown): Promise<void> {
    await this.#answering;
    if (this.#isOver) return;
    const error = reason instanceof FloError ? reason : null;
    this.fail(error ?? new FloError('internal', 'flo2 failed.', { cause: reason }), null);
  }

  #publish(
    upstreamRequestId: string | null,
    outcome: WorkResultHeader['outcome'],
    body: Uint8Array = new Uint8Array(),
  ): void {
    const { provider, model } = this.#step;
    const header: WorkResultHeader = {
      version: 1,
      workItemId: this.#item.id,
      tenantId: this.#header.tenantId,
      attempts: this.#attempts,
      ...(this.uncalled > 0 && { uncalled: this.uncalled }),
      provider,
      model,
      upstreamRequestId,
      endedAtMs: this.#deps.clock.nowMs(),
      outcome,
    };
    this.#deps.results.publish({ header, body });
  }
}

const claimOf = (
  { mint, clock }: WorkOwnerDeps,
  { step, route, holds }: DispatchHeader,
  { provider, model }: PlanStep,
  id: WorkItemId,
  attempt: number,
  providerKeyId: ProviderKeyId,
): AskedClaim => ({
  id,
  attempt,
  claim: {
    attemptId: mint.mint('att'),
    step,
    provider,
    model,
    providerKeyId,
    route,
    ...(holds.length > 0 && { holds }),
    claimedAtMs: clock.nowMs(),
  },
});

const openBody = async (
  { seal, logger }: WorkOwnerDeps,
  tenantId: TenantId,
  id: WorkItemId,
  sealed: { dataKeyVersion: number; sealed: Uint8Array },
): Promise<Uint8Array | FloError> => {
  try {
    return await seal.open({ tenantId, kind: 'work request', id, part: 0 }, sealed);
  } catch (error) {
    logger.error({ workItemId: id, err: error }, 'a work item’s body could not be opened');
    return new FloError('internal', 'flo2 cannot read the request any more.', { cause: error });
  }
};

/**
 * The owner of a dispatch in the lanes `async` and `batch`: a row in Postgres, claimed with the message. Its
 * first claim brings the body, which the message does not carry, and lets the message be acknowledged: from
 * then on the row knows who has it. Null where the attempt is somebody else's, or not wanted any more.
 */
export const claimWork = async (
  deps: WorkOwnerDeps,
  received: ReceivedDispatch,
  step: PlanStep,
): Promise<RequestOwner | null> => {
  const { header } = received.dispatch;
  const item = header.workItem ?? null;
  const providerKeyId = header.reservation?.providerKeyId ?? step.providerKeyIds[0];
  if (item === null || providerKeyId === undefined) {
    received.done();
    return null;
  }
  const asked = claimOf(deps, header, step, item.id, header.firstAttempt, providerKeyId);
  const answer = await deps.claims.claim(asked);
  if (answer === 'silent') return null;
  received.done();
  const giveRoomBack = (): void => {
    // Of what was delivered before, somebody else may be using the room.
    if (header.reservation && received.deliveries === 1) deps.limiter.release(header.reservation);
  };
  if (answer === 'lost') {
    giveRoomBack();
    return null;
  }
  const owner = new WorkOwner(deps, { header, step, item }, asked.claim.attemptId);
  const body = await openBody(deps, header.tenantId, item.id, answer);
  if (body instanceof FloError) {
    giveRoomBack();
    owner.fail(body, null);
    return null;
  }
  return {
    body,
    gate: { win: (attempt) => owner.win(attempt) },
    uncalled: () => owner.uncalled,
    openSink: () => owner.sink(),
    close: (reason) => owner.close(reason),
  };
};
