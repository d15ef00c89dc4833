import { describe, expect, it } from 'vitest';
import type { ErrorCode } from './errors.ts';
import { claimProbe, keyHealthAfter, mayProbeKey, type KeyHealth } from './key-health.ts';

const after = (
  health: KeyHealth,
  code: ErrorCode | null,
  startedAtMs: number,
  retryAfterMs?: number,
): KeyHealth => keyHealthAfter(health, { code, retryAfterMs, startedAtMs }, startedAtMs + 10);

const fallen = (): NonNullable<KeyHealth> => {
  const health = after(null, 'authentication', 0);
  if (health === null) throw new Error('still healthy');
  return health;
};

describe('the health of a key', () => {
  it('falls at the provider’s word alone', () => {
    expect(fallen()).toMatchObject({ reason: 'quarantined', code: 'authentication', probeAtMs: 30_010 });
    expect(after(null, 'quota', 0)).toMatchObject({ reason: 'parked', probeAtMs: 60_010 });
    expect(after(null, 'quota', 0, 3_600_000)).toMatchObject({ probeAtMs: 3_600_010 });
    for (const code of [null, 'server', 'rate_limit_requests', 'invalid_request', 'connection'] as const) {
      expect(after(null, code, 0)).toBe(null);
    }
  });

  it('falls once, however many calls were under way', () => {
    const health = fallen();
    expect(after(health, 'authentication', 5)).toBe(health);
    expect(after(health, null, 5)).toBe(health);
  });

  it('is tried again by one claim, and kept away twice as long where it failed, ten minutes at most', () => {
    let health = fallen();
    for (const keptMs of [60_000, 120_000, 240_000, 480_000, 600_000, 600_000]) {
      expect(mayProbeKey(health, health.probeAtMs - 1)).toBe(false);
      const probeAtMs = health.probeAtMs;
      const claimed = claimProbe(health, probeAtMs);
      expect(mayProbeKey(claimed, probeAtMs)).toBe(false);
      const next = after(claimed, 'authentication', probeAtMs);
      expect(next).toMatchObject({ keptMs, fellAtMs: 10 });
      if (next === null) throw new Error('healthy');
      health = next;
    }
  });

  it('falls anew where a probe says something else of it', () => {
    const parked = after(claimProbe(fallen(), 30_010), 'quota', 30_020);
    expect(parked).toMatchObject({ reason: 'parked', fellAtMs: 30_030 });
  });

  it('comes back with a probe that says anything else than the key', () => {
    const health = claimProbe(fallen(), 30_010);
    expect(after(health, null, 30_020)).toBe(null);
    expect(after(health, 'server', 30_020)).toBe(null);
    expect(after(health, 'connection', 30_020)).toBe(health);
  });
});
