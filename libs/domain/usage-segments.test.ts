import { describe, expect, it } from 'vitest';
import type { UsageGranularity } from '#contracts/usage-query';
import { segmentUsage, type TimeRange } from './usage-segments.ts';

const rangeOf = (from: string, to: string): TimeRange => ({ fromMs: Date.parse(from), toMs: Date.parse(to) });
const DAY = rangeOf('2026-11-25T00:10:00Z', '2026-11-26T00:10:00Z');

describe('the parts of a stretch of time', () => {
  it('are whole hours in a zone of whole hours, and entries in one of half hours', () => {
    const berlin = segmentUsage(DAY, { granularity: 'hour', timeZone: 'Europe/Berlin' });
    expect(berlin.hours).toEqual([rangeOf('2026-11-25T01:00:00Z', '2026-11-26T00:00:00Z')]);
    expect(berlin.entries).toHaveLength(2);
    for (const timeZone of ['Asia/Kolkata', 'Asia/Kathmandu', 'Australia/Lord_Howe']) {
      const zoned = segmentUsage(rangeOf('2026-03-25T00:00:00Z', '2026-04-15T00:00:00Z'), {
        granularity: 'hour',
        timeZone,
      });
      expect(zoned, timeZone).toMatchObject({ hours: [], days: [] });
    }
  });

  it('leave no moment out and take none twice', () => {
    const asked: [UsageGranularity, string][] = [
      ['day', 'Asia/Kolkata'],
      ['day', 'America/New_York'],
      ['month', 'Europe/Berlin'],
      ['hour', 'UTC'],
      ['total', 'UTC'],
    ];
    for (const [granularity, timeZone] of asked) {
      const range = rangeOf('2026-02-27T13:45:00Z', '2026-12-03T07:15:00Z');
      const { days, hours, entries } = segmentUsage(range, { granularity, timeZone });
      const all = [...days, ...hours, ...entries].toSorted((a, b) => a.fromMs - b.fromMs);
      expect(all.at(0)?.fromMs).toBe(range.fromMs);
      expect(all.at(-1)?.toMs).toBe(range.toMs);
      for (const [index, part] of all.entries()) {
        if (index > 0) expect(part.fromMs, `${granularity} ${timeZone}`).toBe(all[index - 1]?.toMs);
      }
    }
  });

  it('are entries where more than two centuries of hours are asked for, however many millennia', () => {
    const range = rangeOf('1970-01-01T00:00:00Z', '9999-12-31T00:00:00Z');
    const { entries } = segmentUsage(range, { granularity: 'hour', timeZone: 'Europe/Berlin' });
    expect(entries).toEqual([range]);
  });
});
