/** Workers beat every second while they hold work; so many missed ones mean that the worker is lost. */
export const LOST_AFTER_MS = 10_000;

/** `newestClaim`: the greatest of the ids of its attempts under way; ids grow with the time of the claim. */
export type Holder = { beats: number; newestClaim: string };

type Seen = Holder & { sinceMs: number; resultsAt: number | null };

/**
 * Tells lost workers by what this process has seen itself, so that no two clocks are compared. An outage of
 * the store begins the observation anew: nobody could beat then.
 *
 * A claim is a beat too. A worker with nothing in hand does not beat, however long its results wait to be recorded;
 * what it claims then is not what it was taken for lost with.
 */
export class LostWorkers {
  readonly #seen = new Map<string, Seen>();

  /** `holders`: workers that hold work. Returns those that are lost. */
  observe(holders: ReadonlyMap<string, Holder>, nowMs: number): string[] {
    for (const workerId of this.#seen.keys()) if (!holders.has(workerId)) this.#seen.delete(workerId);
    const lost: string[] = [];
    for (const [workerId, { beats, newestClaim }] of holders) {
      const known = this.#seen.get(workerId);
      if (known === undefined || known.beats !== beats || newestClaim > known.newestClaim) {
        this.#seen.set(workerId, { beats, newestClaim, sinceMs: nowMs, resultsAt: null });
      } else if (nowMs - known.sinceMs >= LOST_AFTER_MS) {
        lost.push(workerId);
      }
    }
    return lost;
  }

  /** What it had claimed when it was last heard of; nothing later is lost with it. */
  newestClaim(workerId: string): string {
    return this.#seen.get(workerId)?.newestClaim ?? '';
  }

  /** The result that must be recorded before the worker's work is mended. */
  resultsAt(workerId: string): number | null {
    return this.#seen.get(workerId)?.resultsAt ?? null;
  }

  awaitResults(workerId: string, sequence: number): void {
    const known = this.#seen.get(workerId);
    if (known !== undefined) known.resultsAt = sequence;
  }

  clear(): void {
    this.#seen.clear();
  }
}
