import type { BudgetPeriod } from '#contracts/budget';
import { wallClockMs, zoneOffsetMs } from './wall-clock.ts';

/** The stretch of time in which a budget's limit holds, in Unix milliseconds; the end is exclusive. */
export type BudgetWindow = {
  startMs: number;
  /** Null: it never ends. */
  endMs: number | null;
};

const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;
const TOTAL: BudgetWindow = Object.freeze({ startMs: 0, endMs: null });

/** A day in the proleptic Gregorian calendar as its midnight would be in UTC. */
type LocalDayMs = number;

/**
 * The first moment of a day. Where clocks go back at midnight there are two of them and it is the earlier;
 * where they go forward over midnight there is none, and the day begins when they do.
 */
const firstMomentMs = (timeZone: string, day: LocalDayMs): number => {
  const before = zoneOffsetMs(timeZone, day - DAY_MS);
  const after = zoneOffsetMs(timeZone, day + DAY_MS);
  const candidates = [day - Math.max(before, after), day - Math.min(before, after)];
  const exact = candidates.find((atMs) => atMs + zoneOffsetMs(timeZone, atMs) === day);
  // In a gap the offset from before leads to the moment of the change.
  return exact ?? day - before;
};

const startDay = (period: Exclude<BudgetPeriod, 'total'>, wallMs: number): LocalDayMs => {
  const day = Math.floor(wallMs / DAY_MS) * DAY_MS;
  const date = new Date(day);
  switch (period) {
    case 'day':
      return day;
    case 'week':
      // Monday, as ISO 8601 has it.
      return day - ((date.getUTCDay() + 6) % 7) * DAY_MS;
    case 'month':
      return Date.UTC(date.getUTCFullYear(), date.getUTCMonth(), 1);
  }
};

const nextStartDay = (period: Exclude<BudgetPeriod, 'total'>, start: LocalDayMs): LocalDayMs => {
  const date = new Date(start);
  switch (period) {
    case 'day':
      return start + DAY_MS;
    case 'week':
      return start + 7 * DAY_MS;
    case 'month':
      return Date.UTC(date.getUTCFullYear(), date.getUTCMonth() + 1, 1);
  }
};

/** The window that holds at a moment, for calendar periods of a time zone. */
export const budgetWindowAt = (
  { period, timeZone }: { period: BudgetPeriod; timeZone: string },
  atMs: number,
): BudgetWindow => {
  if (period === 'total') return TOTAL;
  const start = startDay(period, wallClockMs(timeZone, atMs));
  return {
    startMs: firstMomentMs(timeZone, start),
    endMs: firstMomentMs(timeZone, nextStartDay(period, start)),
  };
};

const WINDOWS_MAX = 1_000;

/** Remembers a budget's window until it is over: working one out takes a few microseconds. */
export class WindowClock {
  readonly #windows = new Map<string, BudgetWindow>();

  at(calendar: { period: BudgetPeriod; timeZone: string }, atMs: number): BudgetWindow {
    const key = `${calendar.period} ${calendar.timeZone}`;
    const known = this.#windows.get(key);
    if (known !== undefined && known.startMs <= atMs && (known.endMs === null || atMs < known.endMs)) {
      return known;
    }
    const window = budgetWindowAt(calendar, atMs);
    if (this.#windows.size >= WINDOWS_MAX) this.#windows.clear();
    this.#windows.set(key, window);
    return window;
  }
}
