import { describe, expect, it } from 'vitest';
import type { WorkItemId } from '#contracts/ids';
import { FloError } from './errors.ts';
import { afterError, afterLostWorker, requestIdOf, ROUNDS_MAX, workItemIdOf } from './work-item.ts';

const standing = { round: 1, nowMs: 1_000_000, deadlineAtMs: 90_000_000, random: 0.5 };

describe('after an error', () => {
  it('ends what another try would meet again', () => {
    expect(afterError(new FloError('invalid_request', 'no'), standing)).toEqual({ state: 'failed' });
    expect(afterError(new FloError('authentication', 'no'), standing)).toEqual({ state: 'failed' });
  });

  it('comes back after a wait that doubles with each round', () => {
    const waits = [1, 2, 3].map((round) => {
      const after = afterError(new FloError('overloaded', 'no'), { ...standing, round });
      return after.state === 'queued' ? after.notBeforeMs - standing.nowMs : null;
    });
    expect(waits).toEqual([1_500, 3_000, 6_000]);
  });

  it('honours the wait the provider asked for', () => {
    const error = new FloError('rate_limit_tokens', 'no', { retryAfterMs: 3_600_000 });
    expect(afterError(error, standing)).toEqual({ state: 'queued', notBeforeMs: 4_600_000 });
  });

  it('ends where the wait would pass the deadline, or its rounds are used up', () => {
    const error = new FloError('rate_limit_tokens', 'no', { retryAfterMs: 3_600_000 });
    expect(afterError(error, { ...standing, deadlineAtMs: 2_000_000 })).toEqual({ state: 'failed' });
    expect(afterError(error, { ...standing, round: ROUNDS_MAX })).toEqual({ state: 'failed' });
  });

  it('names a cancellation and a deadline by their own states', () => {
    expect(afterError(new FloError('cancelled', 'no'), standing)).toEqual({ state: 'cancelled' });
    expect(afterError(new FloError('deadline_exceeded', 'no'), standing)).toEqual({ state: 'expired' });
  });
});

describe('after a lost worker', () => {
  const item = {
    onUnknown: 'repeat',
    possibleDuplicateCharge: false,
    cancelRequested: false,
    nowMs: 1,
    deadlineAtMs: 2,
  } as const;

  it('repeats once, and only once', () => {
    expect(afterLostWorker(item)).toBe('repeat');
    expect(afterLostWorker({ ...item, possibleDuplicateCharge: true })).toBe('outcome_unknown');
  });

  it('does not repeat what nobody wants or may pay for twice', () => {
    expect(afterLostWorker({ ...item, onUnknown: 'fail' })).toBe('outcome_unknown');
    expect(afterLostWorker({ ...item, cancelRequested: true })).toBe('outcome_unknown');
    expect(afterLostWorker({ ...item, nowMs: 3 })).toBe('outcome_unknown');
  });
});

it('leads from an item to its request and back', () => {
  const id = 'job_01234567890123456789012345' as WorkItemId;
  expect(requestIdOf(id)).toBe('req_01234567890123456789012345');
  expect(workItemIdOf(requestIdOf(id))).toBe(id);
});
