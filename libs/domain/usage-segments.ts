import type { UsageGranularity } from '#contracts/usage-query';
import { budgetWindowAt } from './budget-window.ts';
import { zoneOffsetMs } from './wall-clock.ts';

/** Unix milliseconds; the end is exclusive. */
export type TimeRange = { fromMs: number; toMs: number };

/** Where the sums of a stretch of time are read: whole days and hours (UTC) from rollups, the rest entry by entry. */
export type UsageSegments = { days: TimeRange[]; hours: TimeRange[]; entries: TimeRange[] };

const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;
/** Beyond it a statement with a range for each would cost more than reading the entries. */
const CUTS_MAX = 1_500;
/** A time zone keeps an offset for weeks at least. */
const OFFSET_STEP_MS = 7 * DAY_MS;
/** Two centuries, looked at in a hundredth of a second; whoever asks for more waits for the entries. */
const OFFSET_STEPS_MAX = 10_500;

const onlyEntries = (range: TimeRange): UsageSegments => ({ days: [], hours: [], entries: [range] });

/** Whether hours on the wall are hours of UTC all the while, as far as is looked. */
const hasWholeHours = (timeZone: string, { fromMs, toMs }: TimeRange): boolean => {
  if (timeZone === 'UTC') return true;
  if (toMs - fromMs > OFFSET_STEPS_MAX * OFFSET_STEP_MS) return false;
  const isWhole = (atMs: number): boolean => zoneOffsetMs(timeZone, atMs) % HOUR_MS === 0;
  for (let atMs = fromMs; atMs < toMs; atMs += OFFSET_STEP_MS) if (!isWhole(atMs)) return false;
  return isWhole(toMs);
};

/** The moments within a range at which a period ends and the next begins; null when there are too many. */
const cutsOf = (range: TimeRange, granularity: UsageGranularity, timeZone: string): number[] | null => {
  if (granularity === 'minute') return null;
  if (granularity === 'total') return [];
  if (granularity === 'hour') return hasWholeHours(timeZone, range) ? [] : null;
  const cuts: number[] = [];
  let { endMs } = budgetWindowAt({ period: granularity, timeZone }, range.fromMs);
  while (endMs !== null && endMs < range.toMs) {
    if (cuts.length === CUTS_MAX) return null;
    cuts.push(endMs);
    ({ endMs } = budgetWindowAt({ period: granularity, timeZone }, endMs));
  }
  return cuts;
};

/** Adds a range that is not empty; one that goes on where the last ended is one with it. */
const add = (ranges: TimeRange[], fromMs: number, toMs: number): void => {
  if (fromMs >= toMs) return;
  const last = ranges.at(-1);
  if (last !== undefined && last.toMs === fromMs) last.toMs = toMs;
  else ranges.push({ fromMs, toMs });
};

/**
 * Splits a range so that as little as possible is read entry by entry: an hour or a day comes from a rollup
 * where no period of the asked time zone begins in the middle of it.
 */
export const segmentUsage = (
  range: TimeRange,
  { granularity, timeZone }: { granularity: UsageGranularity; timeZone: string },
): UsageSegments => {
  const cuts = cutsOf(range, granularity, timeZone);
  if (cuts === null) return onlyEntries(range);
  const segments: UsageSegments = { days: [], hours: [], entries: [] };
  let fromMs = range.fromMs;
  for (const toMs of [...cuts, range.toMs]) {
    const firstHour = Math.ceil(fromMs / HOUR_MS) * HOUR_MS;
    const lastHour = Math.floor(toMs / HOUR_MS) * HOUR_MS;
    if (firstHour >= lastHour) {
      add(segments.entries, fromMs, toMs);
    } else {
      // A day holds many of the asked hours.
      const firstDay =
        granularity === 'hour' ? lastHour : Math.min(Math.ceil(firstHour / DAY_MS) * DAY_MS, lastHour);
      const lastDay = Math.max(Math.floor(lastHour / DAY_MS) * DAY_MS, firstDay);
      add(segments.entries, fromMs, firstHour);
      add(segments.hours, firstHour, firstDay);
      add(segments.days, firstDay, lastDay);
      add(segments.hours, lastDay, lastHour);
      add(segments.entries, lastHour, toMs);
    }
    fromMs = toMs;
  }
  return segments;
};
