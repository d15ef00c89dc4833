/** Making one takes a hundred times as long as using it. */
const formats = new Map<string, Intl.DateTimeFormat>();
const FORMATS_MAX = 1_000;

const formatOf = (timeZone: string): Intl.DateTimeFormat => {
  const known = formats.get(timeZone);
  if (known !== undefined) return known;
  const format = new Intl.DateTimeFormat('en-US', {
    timeZone,
    calendar: 'gregory',
    hourCycle: 'h23',
    year: 'numeric',
    month: 'numeric',
    day: 'numeric',
    hour: 'numeric',
    minute: 'numeric',
    second: 'numeric',
  });
  if (formats.size >= FORMATS_MAX) formats.clear();
  formats.set(timeZone, format);
  return format;
};

/** What a clock on the wall shows, as if it were UTC. */
export const wallClockMs = (timeZone: string, atMs: number): number => {
  if (timeZone === 'UTC') return atMs;
  const parts: Record<string, number> = {};
  for (const { type, value } of formatOf(timeZone).formatToParts(atMs)) parts[type] = Number(value);
  const { year = 0, month = 1, day = 1, hour = 0, minute = 0, second = 0 } = parts;
  return Date.UTC(year, month - 1, day, hour, minute, second);
};

/** How far the clocks of a zone are ahead of UTC at a moment, in milliseconds. */
export const zoneOffsetMs = (timeZone: string, atMs: number): number => {
  const wholeSecondMs = Math.floor(atMs / 1_000) * 1_000;
  return wallClockMs(timeZone, wholeSecondMs) - wholeSecondMs;
};
