import type { ProviderKeyId } from '#contracts/ids';
import type { FleetState } from './fleet-state.ts';
import { claimProbe, keyHealthAfter, mayProbeKey, type KeyTrouble } from './key-health.ts';
import type { CallOutcome, Clock } from './ports.ts';
import type { RoomCandidate } from './room-candidates.ts';
import { unusableError } from './room-refusal.ts';

export type FleetKeysDeps = {
  fleet: FleetState;
  clock: Clock;
  /** Told once for each key that falls, in the one process of the fleet that noticed first. */
  onKeyTrouble: (id: ProviderKeyId, trouble: KeyTrouble) => void;
  onKeyRecovered: (id: ProviderKeyId) => void;
};

/** Which keys the whole fleet takes for usable, and what calls with them have shown. */
export class FleetKeys {
  readonly #deps: FleetKeysDeps;

  constructor(deps: FleetKeysDeps) {
    this.#deps = deps;
  }

  /**
   * The healthy ones, behind the one whose probe this process may make, where there is one. Rejects with `FloError`
   * `authentication` or `quota` where none may be used.
   */
  async usableOf(candidates: readonly RoomCandidate[]): Promise<RoomCandidate[]> {
    const { fleet, clock } = this.#deps;
    const healthy = candidates.filter(({ providerKeyId }) => fleet.keyHealth(providerKeyId) === null);
    for (const candidate of candidates) {
      const health = fleet.keyHealth(candidate.providerKeyId);
      if (health === null || !mayProbeKey(health, clock.nowMs())) continue;
      const claimed = claimProbe(health, clock.nowMs());
      if (await fleet.replaceKeyHealth(candidate.providerKeyId, claimed)) return [candidate, ...healthy];
    }
    if (healthy.length > 0) return healthy;
    const troubles = candidates.flatMap(({ providerKeyId }) => fleet.keyHealth(providerKeyId) ?? []);
    throw unusableError(troubles, clock.nowMs());
  }

  async note(id: ProviderKeyId, { error, startedAtMs }: CallOutcome): Promise<void> {
    const { fleet, clock } = this.#deps;
    const health = fleet.keyHealth(id);
    const call = { code: error?.code ?? null, retryAfterMs: error?.retryAfterMs, startedAtMs };
    const next = keyHealthAfter(health, call, clock.nowMs());
    if (next === health || !(await fleet.replaceKeyHealth(id, next))) return;
    if (next === null) this.#deps.onKeyRecovered(id);
    else if (health === null) this.#deps.onKeyTrouble(id, next);
  }
}
