/**
 * The life of a work item: a job, or one line of a batch.
 *
 *                  ┌────────────── again (a long wait, a lost worker) ─────┐
 *                  ▼                                                       │
 *   accepted ─▶ queued ──── claim of attempt n ────▶ in_progress ──────────┤
 *                  │                                     │ claim of n + 1  │
 *                  │                                     └──▶ in_progress  │
 *                  ├─ cancel ──▶ cancelled ◀───────────── cancelled ───────┤
 *                  ├─ deadline ▶ expired ◀──────────────── deadline ───────┤
 *                  │                        completed ◀── an answer ───────┤
 *                  └─ late answer ▶ ...        failed ◀── an error ────────┤
 *                                     outcome_unknown ◀── a lost worker ───┘
 *
 * Invariants:
 * 1. Attempt n is claimed by one worker at most, and only while n − 1 attempts are recorded.
 * 2. No provider is called for an attempt that was not claimed.
 * 3. A terminal state is never left; the first result wins, whichever attempt it is from.
 * 4. The attempt of a lost worker may have been charged: the item is repeated once at most for that, and
 *    says so ever after (`possibleDuplicateCharge`); with `onUnknown: 'fail'` it ends instead.
 * 5. An item that was accepted is in Postgres. What NATS holds of it can be lost and is given again.
 */
import type { RequestId, WorkItemId } from '#contracts/ids';
import type { FloError } from './errors.ts';

export const WORK_STATES = [
  'queued',
  'in_progress',
  'completed',
  'failed',
  'cancelled',
  'expired',
  'outcome_unknown',
] as const;
export type WorkState = (typeof WORK_STATES)[number];
export type TerminalWorkState = Exclude<WorkState, 'queued' | 'in_progress'>;

export const isTerminal = (state: WorkState): state is TerminalWorkState =>
  state !== 'queued' && state !== 'in_progress';

export type OnUnknown = 'repeat' | 'fail';

/** Times an item is given to the queue; a provider that is down for hours uses them up with long waits. */
export const ROUNDS_MAX = 12;
const AGAIN_FIRST_MS = 2_000;
const AGAIN_MAX_MS = 10 * 60_000;

/** All attempts of an item are one request in the ledger, under the id that differs in its prefix alone. */
export const requestIdOf = (id: WorkItemId): RequestId => id.replace(/^job_/, 'req_') as RequestId;
export const workItemIdOf = (id: RequestId): WorkItemId => id.replace(/^req_/, 'job_') as WorkItemId;

/** How an item ends by an error. */
export const terminalStateOf = ({ code }: { code: string }): TerminalWorkState => {
  if (code === 'cancelled') return 'cancelled';
  return code === 'deadline_exceeded' ? 'expired' : 'failed';
};

/** What becomes of an item whose run ended in an error. */
export type AfterError = { state: 'queued'; notBeforeMs: number } | { state: TerminalWorkState };

/**
 * An error that another try may not meet sends the item back to the feeder after a wait, which doubles with
 * each round and honours the provider's own. `random` is in [0, 1).
 */
export const afterError = (
  error: FloError,
  standing: { round: number; nowMs: number; deadlineAtMs: number; random: number },
): AfterError => {
  const terminal = terminalStateOf(error);
  if (terminal !== 'failed') return { state: terminal };
  // `unavailable` is ours: a worker that is being stopped, a queue that could not be reached.
  const mayPass = error.retry === 'same' || error.code === 'unavailable';
  if (!mayPass || standing.round >= ROUNDS_MAX) return { state: 'failed' };
  const ceilingMs = Math.min(AGAIN_MAX_MS, AGAIN_FIRST_MS * 2 ** (standing.round - 1));
  const waitMs = Math.max(error.retryAfterMs ?? 0, ceilingMs / 2 + (ceilingMs / 2) * standing.random);
  const notBeforeMs = Math.round(standing.nowMs + waitMs);
  return notBeforeMs < standing.deadlineAtMs ? { state: 'queued', notBeforeMs } : { state: 'failed' };
};

/** What becomes of an item whose worker was lost with an attempt under way. */
export const afterLostWorker = (item: {
  onUnknown: OnUnknown;
  possibleDuplicateCharge: boolean;
  cancelRequested: boolean;
  nowMs: number;
  deadlineAtMs: number;
}): 'repeat' | 'outcome_unknown' =>
  item.onUnknown === 'repeat' &&
  !item.possibleDuplicateCharge &&
  !item.cancelRequested &&
  item.nowMs < item.deadlineAtMs
    ? 'repeat'
    : 'outcome_unknown';
