/** What a run asks of whoever owns its request: an ingress with a client's connection, or a work item. */
import type { AnswerHead } from '#contracts/attempt-line';
import type { AttemptId, ProviderKeyId } from '#contracts/ids';
import type { FloError } from '#domain/errors';

/**
 * One attempt at a target; its number counts the request's attempts from 1. Without `willCall` it is only won
 * to end the request or to hand it over, and leaves no event.
 */
export type AskedAttempt = {
  attemptNumber: number;
  providerKeyId: ProviderKeyId;
  willCall: boolean;
};

/**
 * `won`: this attempt is this worker's alone. `lost`: it is somebody else's, or nobody waits for the
 * request any more. `silent`: whoever decides did not answer and may come back.
 */
export type Verdict = { kind: 'won'; attemptId: AttemptId } | { kind: 'lost' } | { kind: 'silent' };

/** Who may call: no provider is called for an attempt that was not won here. */
export type AttemptGate = { win: (asked: AskedAttempt) => Promise<Verdict> };

/**
 * Where one attempt's answer goes. `answer` is a whole one; a stream is `head`, `data`…, `end`. `fail` ends
 * the request; `handOver` says that the next step is on its subject and this attempt is over.
 */
export type AnswerSink = {
  head: (head: AnswerHead) => void;
  data: (bytes: Uint8Array) => void;
  end: () => void;
  answer: (head: AnswerHead, body: Uint8Array) => void;
  handOver: (step: number) => void;
  fail: (error: FloError, upstreamRequestId: string | null) => void;
};

/** The owner of one dispatched request. */
export type RequestOwner = {
  /** What the client sent. */
  body: Uint8Array;
  gate: AttemptGate;
  /** Where nobody else counts it: attempts of a work item's round so far that called nobody. */
  uncalled: () => number;
  /** For an attempt that was won. */
  openSink: (attemptNumber: number) => AnswerSink;
  /**
   * The run is over, for `reason` where it was ended from outside, whether or not a sink was told of an end.
   * Resolves when what it was told is on its way.
   */
  close: (reason: unknown) => Promise<void> | void;
};
