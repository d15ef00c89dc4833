import { describe, expect, it } from 'vitest';
import { BUDGET_PERIODS } from '#contracts/budget';
import { budgetWindowAt, WindowClock } from './budget-window.ts';

const at = (text: string): number => Date.parse(text);
const shown = (period: 'day' | 'week' | 'month' | 'total', timeZone: string, text: string) => {
  const { startMs, endMs } = budgetWindowAt({ period, timeZone }, at(text));
  return [new Date(startMs).toISOString(), endMs === null ? null : new Date(endMs).toISOString()];
};

describe('the window of a budget', () => {
  it.each([
    ['day', 'UTC', '2026-03-10T12:00:00Z', '2026-03-10T00:00:00.000Z', '2026-03-11T00:00:00.000Z'],
    // Half an hour, and three quarters of one.
    ['day', 'Asia/Kolkata', '2026-03-10T18:29:59Z', '2026-03-09T18:30:00.000Z', '2026-03-10T18:30:00.000Z'],
    ['day', 'Asia/Kolkata', '2026-03-10T18:30:00Z', '2026-03-10T18:30:00.000Z', '2026-03-11T18:30:00.000Z'],
    ['day', 'Asia/Kathmandu', '2026-03-10T12:00:00Z', '2026-03-09T18:15:00.000Z', '2026-03-10T18:15:00.000Z'],
    // 23 and 25 hours.
    ['day', 'Europe/Berlin', '2026-03-29T12:00:00Z', '2026-03-28T23:00:00.000Z', '2026-03-29T22:00:00.000Z'],
    ['day', 'Europe/Berlin', '2026-10-25T12:00:00Z', '2026-10-24T22:00:00.000Z', '2026-10-25T23:00:00.000Z'],
    // Clocks that change by half an hour.
    [
      'day',
      'Australia/Lord_Howe',
      '2026-04-05T05:00:00Z',
      '2026-04-04T13:00:00.000Z',
      '2026-04-05T13:30:00.000Z',
    ],
    // No midnight: the day begins at one.
    [
      'day',
      'America/Sao_Paulo',
      '2018-11-04T12:00:00Z',
      '2018-11-04T03:00:00.000Z',
      '2018-11-05T02:00:00.000Z',
    ],
    // Two midnights: the day begins at the first.
    ['day', 'America/Havana', '2026-11-01T12:00:00Z', '2026-11-01T04:00:00.000Z', '2026-11-02T05:00:00.000Z'],
    ['week', 'UTC', '2026-03-15T23:59:59Z', '2026-03-09T00:00:00.000Z', '2026-03-16T00:00:00.000Z'],
    [
      'week',
      'America/New_York',
      '2026-03-09T03:00:00Z',
      '2026-03-02T05:00:00.000Z',
      '2026-03-09T04:00:00.000Z',
    ],
    [
      'month',
      'America/New_York',
      '2026-03-31T12:00:00Z',
      '2026-03-01T05:00:00.000Z',
      '2026-04-01T04:00:00.000Z',
    ],
    ['month', 'UTC', '2028-02-29T12:00:00Z', '2028-02-01T00:00:00.000Z', '2028-03-01T00:00:00.000Z'],
    ['total', 'Asia/Tokyo', '2026-03-10T12:00:00Z', '1970-01-01T00:00:00.000Z', null],
  ] as const)('of a %s in %s at %s', (period, timeZone, moment, start, end) => {
    expect(shown(period, timeZone, moment)).toEqual([start, end]);
  });

  it('follows on the one before without a gap, through two years of every kind of clock', () => {
    for (const timeZone of [
      'UTC',
      'Asia/Kolkata',
      'Europe/Berlin',
      'America/New_York',
      'Australia/Lord_Howe',
      'America/Havana',
      'Africa/Cairo',
    ]) {
      for (const period of BUDGET_PERIODS.filter((name) => name !== 'total')) {
        let window = budgetWindowAt({ period, timeZone }, at('2025-01-01T00:00:00Z'));
        while (window.startMs < at('2027-01-01T00:00:00Z')) {
          if (window.endMs === null) throw new Error('a calendar period ends');
          const next = budgetWindowAt({ period, timeZone }, window.endMs);
          expect(next.startMs).toBe(window.endMs);
          expect(budgetWindowAt({ period, timeZone }, window.endMs - 1)).toEqual(window);
          window = next;
        }
      }
    }
  });

  it('is remembered no longer than it holds', () => {
    const clock = new WindowClock();
    const calendar = { period: 'day', timeZone: 'Asia/Kolkata' } as const;
    const first = clock.at(calendar, at('2026-03-10T12:00:00Z'));
    expect(clock.at(calendar, at('2026-03-10T18:29:59.999Z'))).toBe(first);
    expect(clock.at(calendar, at('2026-03-10T18:30:00Z')).startMs).toBe(first.endMs);
    expect(clock.at(calendar, at('2026-03-10T12:00:00Z'))).toEqual(first);
  });
});
