import { describe, expect, it } from 'vitest';
import { AdmissionGate } from './admission-gate.ts';

const LATE = { lateMs: 50, elapsedMs: 100 };
const IN_TIME = { lateMs: 1, elapsedMs: 100 };

/** All that the callers can get, in turn. */
const fill = (gate: AdmissionGate, callers: readonly string[]): Record<string, (() => void)[]> => {
  const held: Record<string, (() => void)[]> = Object.fromEntries(callers.map((caller) => [caller, []]));
  for (let isAny = true; isAny;) {
    isAny = false;
    for (const caller of callers) {
      if (!gate.admits(caller)) continue;
      isAny = true;
      held[caller]?.push(gate.enter(caller));
    }
  }
  return held;
};

const crowd = (gate: AdmissionGate): void => {
  for (let observed = 0; observed < 100; observed += 1) gate.observe(LATE);
};

describe('AdmissionGate', () => {
  it('lets thousands in while the process keeps up', () => {
    const gate = new AdmissionGate();
    fill(gate, ['one']);
    for (let observed = 0; observed < 100; observed += 1) gate.observe(IN_TIME);
    expect(gate.open).toBe(8_000);
  });

  it('shrinks from what is open while the process runs late, never below what keeps it busy', () => {
    const gate = new AdmissionGate();
    for (let entered = 0; entered < 1_000; entered += 1) gate.enter('one');
    gate.observe(LATE);
    expect(gate.limit).toBe(900);
    crowd(gate);
    expect(gate.limit).toBe(320);
    expect(gate.admits('one')).toBe(false);
  });

  it('lets one caller have four fifths at its least', () => {
    const gate = new AdmissionGate();
    crowd(gate);
    expect(fill(gate, ['one'])['one']).toHaveLength(256);
  });

  it('keeps room for a newcomer, however many want all they can get', () => {
    const gate = new AdmissionGate();
    crowd(gate);
    const held = fill(gate, ['one', 'two', 'three']);
    const counts = Object.values(held).map((places) => places.length);
    expect(Math.max(...counts) - Math.min(...counts)).toBeLessThanOrEqual(1);
    expect(gate.admits('newcomer')).toBe(true);
  });

  it('grows again as soon as the process keeps up', () => {
    const gate = new AdmissionGate();
    crowd(gate);
    for (let observed = 0; observed < 50; observed += 1) gate.observe(IN_TIME);
    expect(gate.limit).toBeGreaterThan(800);
  });

  it('counts out once, however often it is said', () => {
    const gate = new AdmissionGate();
    const [first, second] = [gate.enter('one'), gate.enter('one')];
    first();
    first();
    expect(gate.open).toBe(1);
    second();
    expect(gate.open).toBe(0);
  });

  it('has a crowd come back at no more than half the pace of the answers', () => {
    const gate = new AdmissionGate();
    for (let observed = 0; observed < 100; observed += 1) {
      for (let answered = 0; answered < 20; answered += 1) gate.enter('one')();
      gate.observe(IN_TIME);
    }
    // 200 answers a second: 100 refused ones a second.
    const told = Array.from({ length: 350 }, () => gate.refuse(5_000));
    const inSecond = (second: number): number => told.filter((after) => after === second).length;
    expect([inSecond(1), inSecond(2), inSecond(3), inSecond(4)]).toEqual([100, 100, 100, 50]);
    // A second later the first of them come, and the next second is the second.
    expect(gate.refuse(6_000)).toBe(3);
  });

  it('asks nobody to wait for longer than half a minute', () => {
    const gate = new AdmissionGate();
    const told = Array.from({ length: 10_000 }, () => gate.refuse(0));
    expect(Math.max(...told)).toBe(30);
  });
});
