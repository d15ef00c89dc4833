import { z } from 'zod';

/** An area and a place, or UTC. Offsets and abbreviations mean different things to different programs. */
const isTimeZone = (name: string): boolean => {
  if (name === 'UTC') return true;
  if (!/^[A-Za-z_]+(?:\/[A-Za-z0-9_+-]+)+$/.test(name)) return false;
  try {
    return Intl.DateTimeFormat('en', { timeZone: name }).resolvedOptions().timeZone !== '';
  } catch {
    return false;
  }
};

export const timeZone = z
  .string()
  .max(64)
  .refine(isTimeZone, 'must be UTC or an IANA name like Europe/Berlin');
