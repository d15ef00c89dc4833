/**
 * The life of a provider batch: lines of one of flo2's batches that a provider runs by its own batch API, at
 * its batch price.
 *
 *   creating ──made──▶ running ──cancel taken──▶ cancelling ──┐
 *    │  │ ▲ outcome       │                          │        │ the provider has ended it, or refused it
 *    │  │ │ lost: find    └──────────────────────────┴──────▶ ended ──results recorded──▶ settled
 *    │  └─┘ found ▶ running                                                                  ▲
 *    ├─ not made, or never asked for and not wanted any more: its lines go to the queue ─────┤
 *    └─ (any but ended) near the deadline and no certain end: abandoned ── watched until ────┘
 *                                                                         the provider tells, or gives up
 *
 * Invariants:
 * 1. A line is in one open attempt: its claim names the provider batch, by the same compare-and-set that
 *    workers claim by, and the queue never sees it while that stands.
 * 2. The row and the claims of its lines are committed before the provider is asked for the batch, and that it
 *    is about to be asked is committed before each time. So what may exist is always looked for.
 * 3. After a call whose outcome was lost the batch is asked for again only when it was looked for, after a
 *    time in which the lost call could still arrive, and was not there.
 * 4. Near the deadline the provider is asked to cancel, what it has answered is taken, and only lines without
 *    a result go to the queue.
 * 5. Where the provider does not say how it ended until `abandonAtMs`, or an hour after the caller cancelled,
 *    its lines may have been charged: each is told to the ledger as `outcome_unknown` and repeated once,
 *    flagged, or ends so (`work-item.ts`, 4). The batch is watched on, and what the provider tells later
 *    replaces the presumption.
 * 6. Every line's attempt has an event: priced at the tier `batch` where it was run, at nothing where it was
 *    not. What is told twice, after a crash, is told the same.
 */
import { z } from 'zod';
import type { FloError } from './errors.ts';
import { afterError, terminalStateOf, type AfterError } from './work-item.ts';

export const nativeBatchState = z.enum(['creating', 'running', 'cancelling', 'ended', 'settled']);
export type NativeBatchState = z.infer<typeof nativeBatchState>;

/** Times are Unix milliseconds. */
export type NativeBatchStanding = {
  state: NativeBatchState;
  /** Whether a call that makes it may have been made since it was last known not to be there. */
  mayExist: boolean;
  /** When it was last asked for; null before. */
  askedAtMs: number | null;
  /** How often the provider has turned down to make it. */
  refusals: number;
  /** Looks in a row that brought no answer. */
  failures: number;
  /** Whether its lines were given up as `outcome_unknown`. */
  isAbandoned: boolean;
  /** When the caller has cancelled the batch that its lines are of. */
  cancelledAtMs: number | null;
  createdAtMs: number;
  /** From when the provider has no more time. */
  escalateAtMs: number;
  /** Until when it must have said how it ended. */
  abandonAtMs: number;
  /** Until when an abandoned one is watched. */
  forgetAtMs: number;
};

const MINUTE_MS = 60_000;
const HOUR_MS = 60 * MINUTE_MS;
const DAY_MS = 24 * HOUR_MS;
/** The part of a batch's time that is kept for the queue, and its bounds. */
const QUEUE_PART = 8;
const QUEUE_MIN_MS = 5 * MINUTE_MS;
const QUEUE_MAX_MS = 3 * HOUR_MS;
/** A provider may answer ten minutes after it was asked to cancel; so much of the queue's time it may take. */
const CANCEL_PART = 2 / 3;
/** As long after its caller has cancelled. */
const CANCEL_MAX_MS = HOUR_MS;
const WATCHED_MS = 2 * DAY_MS;
const REFUSALS_MAX = 5;
/** Looks in a row after which "there is no such batch" is believed. */
const GONE_AFTER = 3;

/** When what happens to a batch that begins now and must be done at its deadline. */
export const planTimes = ({ nowMs, deadlineAtMs }: { nowMs: number; deadlineAtMs: number }) => {
  const windowMs = deadlineAtMs - nowMs;
  const queueMs = Math.min(windowMs, QUEUE_MAX_MS, Math.max(QUEUE_MIN_MS, windowMs / QUEUE_PART));
  return {
    escalateAtMs: Math.round(deadlineAtMs - queueMs),
    abandonAtMs: Math.round(deadlineAtMs - queueMs * (1 - CANCEL_PART)),
    forgetAtMs: deadlineAtMs + WATCHED_MS,
  };
};

/** The whole hours until the provider has no more time, as far as it can be given them. */
export const providerHours = (
  windowHours: { min: number; max: number },
  { nowMs, escalateAtMs }: { nowMs: number; escalateAtMs: number },
): number =>
  Math.min(windowHours.max, Math.max(windowHours.min, Math.ceil((escalateAtMs - nowMs) / HOUR_MS)));

/**
 * What is to be done. `release`: it does not exist and is not wanted; its lines go to the queue. `settle`:
 * read the results. `forget`: nobody will ever tell.
 */
export type NativeBatchStep =
  | 'create'
  | 'find'
  | 'poll'
  | 'cancel'
  | 'release'
  | 'abandon'
  | 'settle'
  | 'forget'
  | 'none';

/** Whether the provider is to do no more for it. */
const isUnwanted = ({ cancelledAtMs, escalateAtMs, isAbandoned }: NativeBatchStanding, nowMs: number) =>
  cancelledAtMs !== null || isAbandoned || nowMs >= escalateAtMs;

export const nextStep = (standing: NativeBatchStanding, nowMs: number): NativeBatchStep => {
  const { state, mayExist, isAbandoned, cancelledAtMs, forgetAtMs } = standing;
  const abandonAtMs = Math.min(standing.abandonAtMs, (cancelledAtMs ?? Infinity) + CANCEL_MAX_MS);
  if (state === 'settled') return 'none';
  if (state === 'creating' && !mayExist) return isUnwanted(standing, nowMs) ? 'release' : 'create';
  if (isAbandoned && nowMs >= forgetAtMs) return 'forget';
  // What it has answered is there: only where it cannot be had is it given up.
  const isReadable = state === 'ended' && standing.failures === 0;
  if (!isAbandoned && nowMs >= abandonAtMs && !isReadable) return 'abandon';
  if (state === 'ended') return 'settle';
  if (state === 'creating') return 'find';
  return state === 'running' && isUnwanted(standing, nowMs) ? 'cancel' : 'poll';
};

/** What a step has brought. `lost`: no answer, or one that says nothing certain. */
export type NativeBatchNews =
  | { kind: 'asking' }
  | { kind: 'made' }
  | { kind: 'not_made'; error: FloError }
  | { kind: 'absent' }
  | { kind: 'cancel_taken' }
  | { kind: 'pending' }
  | { kind: 'ended' }
  | { kind: 'released' }
  | { kind: 'abandoned' }
  | { kind: 'settled' }
  | { kind: 'lost'; error: FloError | null };

/** Errors of a refused batch that may not come again: a full account, a busy provider. */
const mayPass = ({ retry, code }: FloError): boolean => retry === 'same' || code === 'quota';

export type AfterNews = { standing: NativeBatchStanding; next: 'wait' | 'at_once' | 'release' | 'abandon' };

/**
 * What a batch is after some news, and what has to come next whatever the time. `settleMs`: how long a call
 * whose outcome was lost could still arrive.
 */
export const afterNews = (
  before: NativeBatchStanding,
  news: NativeBatchNews,
  { nowMs, settleMs }: { nowMs: number; settleMs: number },
): AfterNews => {
  const answered = { ...before, failures: 0 };
  const standing = (changes: Partial<NativeBatchStanding>): NativeBatchStanding => ({
    ...answered,
    ...changes,
  });
  switch (news.kind) {
    case 'asking':
      return { standing: standing({ mayExist: true, askedAtMs: nowMs }), next: 'at_once' };
    case 'made':
      return { standing: standing({ state: 'running', mayExist: true }), next: 'wait' };
    case 'not_made': {
      const refusals = before.refusals + 1;
      const again = mayPass(news.error) && refusals < REFUSALS_MAX;
      return { standing: standing({ mayExist: false, refusals }), next: again ? 'wait' : 'release' };
    }
    case 'absent': {
      const isSure = nowMs - (before.askedAtMs ?? 0) >= settleMs;
      if (!isSure) return { standing: answered, next: 'wait' };
      const refusals = before.refusals + 1;
      return {
        standing: standing({ mayExist: false, refusals }),
        next: refusals < REFUSALS_MAX ? 'at_once' : 'release',
      };
    }
    case 'cancel_taken':
      return { standing: standing({ state: 'cancelling' }), next: 'wait' };
    case 'pending':
      return { standing: answered, next: 'wait' };
    case 'ended':
      return { standing: standing({ state: 'ended' }), next: 'at_once' };
    case 'abandoned':
      return { standing: { ...before, isAbandoned: true }, next: 'wait' };
    case 'released':
    case 'settled':
      return { standing: standing({ state: 'settled' }), next: 'wait' };
    case 'lost': {
      const failures = before.failures + 1;
      const isGone = news.error?.code === 'upstream_not_found' && failures >= GONE_AFTER;
      const isMade = before.state === 'running' || before.state === 'cancelling';
      return {
        standing: { ...before, failures },
        next: isGone && isMade && !before.isAbandoned ? 'abandon' : 'wait',
      };
    }
  }
};

const FAILURE_DOUBLINGS_MAX = 5;
const AGE_PART = 20;
const POLL_STRETCH_MAX = 10;

/**
 * How long until the next look: longer the older the batch is, so that a day's batches cost a provider some
 * hundred calls each, and longer after each failure. `random` is in [0, 1).
 */
export const waitBeforeLook = (
  { createdAtMs, failures, refusals, state }: NativeBatchStanding,
  { nowMs, pollMs, random }: { nowMs: number; pollMs: number; random: number },
): number => {
  const trouble = failures + (state === 'creating' ? refusals : 0);
  const aged = Math.min(POLL_STRETCH_MAX * pollMs, Math.max(pollMs, (nowMs - createdAtMs) / AGE_PART));
  const patient = trouble === 0 ? 0 : pollMs * 2 ** Math.min(FAILURE_DOUBLINGS_MAX, trouble);
  return Math.round(Math.max(aged, patient) * (0.9 + 0.2 * random));
};

export type LineStanding = {
  /** Times it was given to be worked on, this one included. */
  round: number;
  isCancelled: boolean;
  nowMs: number;
  deadlineAtMs: number;
};

/** What becomes of a line that the provider ran and answered with an error: the queue has more ways than one. */
export const afterLineError = (error: FloError, line: LineStanding & { random: number }): AfterError => {
  if (error.retry === 'same') return afterError(error, line);
  const elsewhere = error.retry !== 'never' && !line.isCancelled && line.nowMs < line.deadlineAtMs;
  return elsewhere ? { state: 'queued', notBeforeMs: line.nowMs } : { state: terminalStateOf(error) };
};

/** What becomes of a line that the provider did not run. */
export const afterNotRun = ({ isCancelled, nowMs, deadlineAtMs }: LineStanding): AfterError => {
  if (isCancelled) return { state: 'cancelled' };
  return nowMs < deadlineAtMs ? { state: 'queued', notBeforeMs: nowMs } : { state: 'expired' };
};
