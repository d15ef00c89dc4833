/** How far a batch is, in a line for people. Times are Unix milliseconds. */

export type Progress = { total: number; ended: number; failed: number };
export type Sample = { atMs: number; ended: number };

/** The pace is of the last while: what was before a pause says nothing of what comes. */
const PACE_MS = 30_000;
const BAR_LENGTH = 30;

/** Keeps what the pace needs, the newest last. */
export const keepSamples = (samples: readonly Sample[], sample: Sample): Sample[] => [
  ...samples.filter(({ atMs }) => sample.atMs - atMs <= PACE_MS),
  sample,
];

/** Lines a second; null while there is nothing to tell it by. */
export const paceOf = (samples: readonly Sample[]): number | null => {
  const [first, last] = [samples[0], samples.at(-1)];
  if (first === undefined || last === undefined || last.atMs <= first.atMs) return null;
  return ((last.ended - first.ended) * 1_000) / (last.atMs - first.atMs);
};

export const describeDuration = (seconds: number): string => {
  const whole = Math.max(0, Math.round(seconds));
  const [hours, minutes] = [Math.floor(whole / 3_600), Math.floor((whole % 3_600) / 60)];
  const rest = String(whole % 60).padStart(2, '0');
  return hours > 0 ? `${hours}:${String(minutes).padStart(2, '0')}:${rest}` : `${minutes}:${rest}`;
};

const grouped = (count: number): string => count.toLocaleString('en');

export const describeProgress = ({ total, ended, failed }: Progress, pace: number | null): string => {
  const share = total === 0 ? 0 : Math.min(1, ended / total);
  const full = Math.floor(share * BAR_LENGTH);
  const bar = `${'█'.repeat(full)}${'░'.repeat(BAR_LENGTH - full)}`;
  const parts = [`${bar} ${Math.floor(share * 100)} %`, `${grouped(ended)} of ${grouped(total)} lines`];
  if (failed > 0) parts.push(`${grouped(failed)} failed`);
  if (pace !== null && pace > 0) {
    parts.push(`${pace < 10 ? pace.toFixed(1) : grouped(Math.round(pace))}/s`);
    if (ended < total) parts.push(`ETA ${describeDuration((total - ended) / pace)}`);
  }
  return parts.join(' · ');
};
