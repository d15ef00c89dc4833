import { describe, expect, it } from 'vitest';
import { FloError } from './errors.ts';
import {
  afterLineError,
  afterNews,
  afterNotRun,
  nextStep,
  planTimes,
  providerHours,
  waitBeforeLook,
  type NativeBatchNews,
  type NativeBatchStanding,
  type NativeBatchStep,
} from './native-batch.ts';

const HOUR_MS = 3_600_000;
const NEW: NativeBatchStanding = {
  state: 'creating',
  mayExist: false,
  askedAtMs: null,
  refusals: 0,
  failures: 0,
  isAbandoned: false,
  cancelledAtMs: null,
  createdAtMs: 0,
  ...planTimes({ nowMs: 0, deadlineAtMs: 24 * HOUR_MS }),
};
const RUNNING: NativeBatchStanding = { ...NEW, state: 'running', mayExist: true, askedAtMs: 0 };
const { escalateAtMs, abandonAtMs, forgetAtMs } = NEW;

describe('the times of a provider batch', () => {
  it('leave the queue three hours of a day, the provider’s cancellation included', () => {
    expect(escalateAtMs).toBe(21 * HOUR_MS);
    expect(abandonAtMs).toBe(23 * HOUR_MS);
  });

  it('leave an eighth of a shorter time, and all of one that is too short', () => {
    expect(planTimes({ nowMs: 0, deadlineAtMs: 4 * HOUR_MS }).escalateAtMs).toBe(3.5 * HOUR_MS);
    expect(planTimes({ nowMs: 0, deadlineAtMs: 60_000 }).escalateAtMs).toBe(0);
  });

  it('are given to the provider in whole hours, within what it takes', () => {
    expect(providerHours({ min: 24, max: 168 }, { nowMs: 0, escalateAtMs: 10 * HOUR_MS })).toBe(24);
    expect(providerHours({ min: 1, max: 168 }, { nowMs: 0, escalateAtMs: 9.5 * HOUR_MS })).toBe(10);
    expect(providerHours({ min: 1, max: 24 }, { nowMs: 0, escalateAtMs: 100 * HOUR_MS })).toBe(24);
  });
});

describe('the next step', () => {
  it.each<[string, NativeBatchStanding, number, NativeBatchStep]>([
    ['a new one is made', NEW, 0, 'create'],
    ['one that may exist is looked for, never made', { ...NEW, mayExist: true, askedAtMs: 0 }, 1, 'find'],
    ['one not asked for and cancelled is released', { ...NEW, cancelledAtMs: 0 }, 0, 'release'],
    ['one not asked for near the deadline is released', NEW, escalateAtMs, 'release'],
    [
      'one that may exist is looked for though cancelled',
      { ...NEW, mayExist: true, cancelledAtMs: 0 },
      1,
      'find',
    ],
    ['one that runs is polled', RUNNING, 1, 'poll'],
    ['one that runs is cancelled with its batch', { ...RUNNING, cancelledAtMs: 0 }, 1, 'cancel'],
    ['one that runs is cancelled near the deadline', RUNNING, escalateAtMs, 'cancel'],
    ['one that is being cancelled is polled', { ...RUNNING, state: 'cancelling' }, escalateAtMs, 'poll'],
    [
      'so is one whose caller cancelled, within an hour',
      { ...RUNNING, state: 'cancelling', cancelledAtMs: 5 },
      5 + HOUR_MS,
      'abandon',
    ],
    ['one without an end is abandoned', { ...RUNNING, state: 'cancelling' }, abandonAtMs, 'abandon'],
    ['one that may exist is abandoned too', { ...NEW, mayExist: true }, abandonAtMs, 'abandon'],
    ['an abandoned one is cancelled still', { ...RUNNING, isAbandoned: true }, abandonAtMs, 'cancel'],
    ['and watched', { ...RUNNING, state: 'cancelling', isAbandoned: true }, abandonAtMs, 'poll'],
    ['and forgotten in the end', { ...RUNNING, isAbandoned: true }, forgetAtMs, 'forget'],
    ['one that has ended is settled, however late', { ...RUNNING, state: 'ended' }, abandonAtMs, 'settle'],
    ['unless its results cannot be had', { ...RUNNING, state: 'ended', failures: 1 }, abandonAtMs, 'abandon'],
    ['a settled one is left alone', { ...RUNNING, state: 'settled' }, forgetAtMs, 'none'],
  ])('%s', (_, standing, nowMs, expected) => {
    expect(nextStep(standing, nowMs)).toBe(expected);
  });
});

describe('after news', () => {
  const at = (before: NativeBatchStanding, news: NativeBatchNews, nowMs: number) =>
    afterNews(before, news, { nowMs, settleMs: 1_000 });
  const asked = at(NEW, { kind: 'asking' }, 10).standing;

  it('a batch that is asked for may exist from before the call', () => {
    expect(asked).toMatchObject({ state: 'creating', mayExist: true, askedAtMs: 10 });
  });

  it('a batch is made again only when it was not there after the lost call could have arrived', () => {
    const lost = at(asked, { kind: 'lost', error: new FloError('cut_stream', 'x') }, 20);
    expect(lost).toMatchObject({ standing: { mayExist: true, failures: 1 }, next: 'wait' });
    expect(at(lost.standing, { kind: 'absent' }, 1_000).standing.mayExist).toBe(true);
    const sure = at(lost.standing, { kind: 'absent' }, 1_010);
    expect(sure).toMatchObject({ standing: { mayExist: false }, next: 'at_once' });
    expect(nextStep(sure.standing, 1_010)).toBe('create');
  });

  it('a refusal that may pass is tried again a few times, any other releases the lines', () => {
    const busy: NativeBatchNews = { kind: 'not_made', error: new FloError('rate_limit_tokens', 'x') };
    expect(at(asked, busy, 20)).toMatchObject({ standing: { mayExist: false, refusals: 1 }, next: 'wait' });
    expect(at({ ...asked, refusals: 4 }, busy, 20).next).toBe('release');
    const wrong: NativeBatchNews = { kind: 'not_made', error: new FloError('invalid_request', 'x') };
    expect(at(asked, wrong, 20).next).toBe('release');
  });

  it('a batch that its provider does not know any more is abandoned, but not for one look', () => {
    const gone: NativeBatchNews = { kind: 'lost', error: new FloError('upstream_not_found', 'x') };
    expect(at(RUNNING, gone, 20).next).toBe('wait');
    expect(at({ ...RUNNING, failures: 2 }, gone, 20).next).toBe('abandon');
    expect(at({ ...RUNNING, failures: 2, isAbandoned: true }, gone, 20).next).toBe('wait');
  });

  it('never leaves a call without a trace, whatever happens in whatever order', () => {
    // Seeded: a batch that was asked for and never known to be absent or refused still may exist.
    let seed = 7;
    const random = (below: number): number => {
      seed = (seed * 48_271) % 2_147_483_647;
      return seed % below;
    };
    const error = new FloError('server', 'x');
    const kinds: NativeBatchNews[] = [
      { kind: 'lost', error },
      { kind: 'lost', error: null },
      { kind: 'pending' },
      { kind: 'cancel_taken' },
      { kind: 'made' },
    ];
    for (let run = 0; run < 2_000; run += 1) {
      let standing = asked;
      for (let step = 0; step < 8; step += 1) {
        const news = kinds[random(kinds.length)];
        if (news === undefined) continue;
        standing = at(standing, news, 20 + step).standing;
        expect(standing.mayExist).toBe(true);
        expect(['create', 'release']).not.toContain(nextStep(standing, 20 + step));
      }
    }
  });
});

describe('the wait before the next look', () => {
  const options = { nowMs: 0, pollMs: 30_000, random: 0.5 };

  it('grows with the age of a batch, within bounds', () => {
    expect(waitBeforeLook(RUNNING, options)).toBe(30_000);
    expect(waitBeforeLook(RUNNING, { ...options, nowMs: HOUR_MS })).toBe(180_000);
    expect(waitBeforeLook(RUNNING, { ...options, nowMs: 20 * HOUR_MS })).toBe(300_000);
  });

  it('doubles with failures, within bounds', () => {
    expect(waitBeforeLook({ ...RUNNING, failures: 2 }, options)).toBe(120_000);
    expect(waitBeforeLook({ ...RUNNING, failures: 50 }, options)).toBe(960_000);
  });
});

describe('a line', () => {
  const line = { round: 1, isCancelled: false, nowMs: 0, deadlineAtMs: HOUR_MS, random: 0 };

  it('that failed where another key or target may help goes to the queue', () => {
    expect(afterLineError(new FloError('quota', 'x'), line)).toEqual({ state: 'queued', notBeforeMs: 0 });
    expect(afterLineError(new FloError('server', 'x'), line).state).toBe('queued');
    expect(afterLineError(new FloError('invalid_request', 'x'), line)).toEqual({ state: 'failed' });
    expect(afterLineError(new FloError('quota', 'x'), { ...line, nowMs: HOUR_MS })).toEqual({
      state: 'failed',
    });
  });

  it('that was not run goes to the queue while there is time', () => {
    expect(afterNotRun(line)).toEqual({ state: 'queued', notBeforeMs: 0 });
    expect(afterNotRun({ ...line, nowMs: HOUR_MS })).toEqual({ state: 'expired' });
    expect(afterNotRun({ ...line, isCancelled: true })).toEqual({ state: 'cancelled' });
  });
});
