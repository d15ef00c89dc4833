import type { ErrorCode } from './errors.ts';

/**
 * Whether a provider key may be used, as the whole fleet knows it.
 *
 *   healthy     ──401──▶ quarantined: the provider does not take the key
 *   healthy     ──quota used up──▶ parked, until the provider's reset where it names one
 *   quarantined | parked ──its time is up, one caller claims the probe──▶ probing
 *   probing     ──success, or any answer that is not about the key──▶ healthy
 *   probing     ──401 | quota──▶ quarantined | parked, for twice as long
 *   any         ──the key is rotated or verified──▶ healthy
 *
 * Invariants: of everybody who sees the same state, one probes (a claim is a compare-and-set on the stored
 * state); a key that is not healthy is used by its probe alone; what was seen of a key's old secret says
 * nothing of its new one.
 */
export type KeyTrouble = {
  reason: 'quarantined' | 'parked';
  /** The catalogue's code that brought it there. */
  code: ErrorCode;
  /** Unix milliseconds: when this was seen last, and when the key fell into this state. */
  sinceMs: number;
  fellAtMs: number;
  /** From when one caller may try it again. */
  probeAtMs: number;
  /** How long the next trouble in a row will keep it. */
  keptMs: number;
};

/** Null is healthy. */
export type KeyHealth = KeyTrouble | null;

const FIRST_KEPT_MS = { quarantined: 30_000, parked: 60_000 } as const;
const KEPT_MAX_MS = 10 * 60_000;
/** A provider that names a reset is believed up to a day. */
const RESET_MAX_MS = 24 * 60 * 60_000;
/** How long a probe has before another may be made. */
const PROBE_MS = 30_000;

const reasonOf = (code: ErrorCode): KeyTrouble['reason'] | null => {
  if (code === 'authentication') return 'quarantined';
  return code === 'quota' ? 'parked' : null;
};

export const mayProbeKey = (health: KeyHealth, nowMs: number): boolean =>
  health !== null && nowMs >= health.probeAtMs;

/** The state that whoever claims the probe puts in place of the one it saw. */
export const claimProbe = (health: KeyTrouble, nowMs: number): KeyTrouble => ({
  ...health,
  probeAtMs: nowMs + PROBE_MS,
});

/** What never reached the provider, or was ended from our side, says nothing of the key. */
const SILENT: ReadonlySet<ErrorCode> = new Set([
  'cancelled',
  'connection',
  'timeout',
  'deadline_exceeded',
  'unavailable',
  'internal',
]);

/** The state after a call with the key; the same object where nothing changes. */
export const keyHealthAfter = (
  health: KeyHealth,
  call: { code: ErrorCode | null; retryAfterMs: number | undefined; startedAtMs: number },
  nowMs: number,
): KeyHealth => {
  // Calls that were under way when the key fell say the same once more, or what was true before.
  const isProbe = health !== null && call.startedAtMs >= health.sinceMs + health.keptMs;
  if (health !== null && !isProbe) return health;
  const { code } = call;
  if (code !== null && SILENT.has(code)) return health;
  const reason = code === null ? null : reasonOf(code);
  if (code === null || reason === null) return null;
  const keptMs = health === null ? FIRST_KEPT_MS[reason] : Math.min(KEPT_MAX_MS, health.keptMs * 2);
  const resetMs = reason === 'parked' ? Math.min(RESET_MAX_MS, call.retryAfterMs ?? 0) : 0;
  const fellAtMs = health?.reason === reason ? health.fellAtMs : nowMs;
  return { reason, code, sinceMs: nowMs, fellAtMs, probeAtMs: nowMs + Math.max(keptMs, resetMs), keptMs };
};
