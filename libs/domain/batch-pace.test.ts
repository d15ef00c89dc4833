import { describe, expect, it } from 'vitest';
import { BatchPace } from './batch-pace.ts';

const TICK_MS = 50;
/** As often as a worker asks. */
const ASK_MS = 10;

/** Begins all that may be begun, with an interactive request at every tick; how many lines were begun. */
const work = (pace: BatchPace, options: { fromMs: number; ticks: number; lateMs: number }): number => {
  let begun = 0;
  for (let passedMs = ASK_MS; passedMs <= options.ticks * TICK_MS; passedMs += ASK_MS) {
    const nowMs = options.fromMs + passedMs;
    pace.noteInteractive(nowMs);
    const count = pace.allowance(nowMs);
    pace.begin(count);
    begun += count;
    pace.allowance(nowMs);
    if (passedMs % TICK_MS === 0) pace.observe({ lateMs: options.lateMs, nowMs });
  }
  return begun;
};

describe('BatchPace', () => {
  it('holds nothing back while nobody waits at a connection', () => {
    const pace = new BatchPace();
    pace.begin(1_000);
    expect(pace.allowance(0)).toBe(Number.POSITIVE_INFINITY);
  });

  it('yields at once to an interactive request, and takes little at a time', () => {
    const pace = new BatchPace();
    pace.noteInteractive(1_000);
    expect(pace.allowance(1_000)).toBe(0);
    expect(pace.allowance(1_050)).toBe(1);
    expect(pace.allowance(1_900)).toBe(1);
  });

  it('finds its rate fast, halves it once the event loop is late, and then takes more little by little', () => {
    const pace = new BatchPace();
    work(pace, { fromMs: 0, ticks: 60, lateMs: 0.2 });
    const found = pace.begunASecond;
    expect(found).toBeGreaterThan(200);
    work(pace, { fromMs: 3_000, ticks: 1, lateMs: 5 });
    expect(pace.begunASecond).toBe(found / 2);
    work(pace, { fromMs: 3_050, ticks: 20, lateMs: 0.2 });
    expect(pace.begunASecond).toBeCloseTo(found / 2 + 20);
  });

  it('finds its rate fast again after a time in which nobody waited', () => {
    const pace = new BatchPace();
    work(pace, { fromMs: 0, ticks: 1, lateMs: 5 });
    work(pace, { fromMs: 10_000, ticks: 60, lateMs: 0.2 });
    expect(pace.begunASecond).toBeGreaterThan(200);
  });

  it('goes on at twenty a second however late the event loop is', () => {
    const begun = work(new BatchPace(), { fromMs: 0, ticks: 200, lateMs: 100 });
    expect(begun).toBeGreaterThan(180);
    expect(begun).toBeLessThanOrEqual(202);
  });

  it('does not save up what it did not need', () => {
    const pace = new BatchPace();
    for (let nowMs = 0; nowMs < 60_000; nowMs += TICK_MS) {
      pace.noteInteractive(nowMs);
      pace.allowance(nowMs);
      pace.observe({ lateMs: 0, nowMs });
    }
    expect(pace.begunASecond).toBeLessThan(25);
  });

  it('is free again two seconds after the last interactive request', () => {
    const pace = new BatchPace();
    pace.noteInteractive(0);
    expect(pace.allowance(2_000)).toBeLessThan(3);
    expect(pace.allowance(2_001)).toBe(Number.POSITIVE_INFINITY);
  });

  it('gives back what was not begun', () => {
    const pace = new BatchPace();
    pace.noteInteractive(0);
    expect(pace.allowance(100)).toBe(1);
    pace.begin(1);
    expect(pace.allowance(100)).toBe(0);
    pace.giveBack(1);
    expect(pace.allowance(100)).toBe(1);
  });
});
