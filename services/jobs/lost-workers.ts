/** Workers beat every second while they hold work; so many missed ones mean that the worker is lost. */
export const LOST_AFTER_MS = 10_000;

type Seen = { beats: number; sinceMs: number; resultsAt: number | null };

/**
 * Tells lost workers by what this process has seen itself, so that no two clocks are compared. An outage of
 * the store begins the observation anew: nobody could beat then.
 */
export class LostWorkers {
  readonly #seen = new Map<string, Seen>();

  /** `holders`: workers that hold work, and how often each has beaten. Returns those that are lost. */
  observe(holders: ReadonlyMap<string, number>, nowMs: number): string[] {
    for (const workerId of this.#seen.keys()) if (!holders.has(workerId)) this.#seen.delete(workerId);
    const lost: string[] = [];
    for (const [workerId, beats] of holders) {
      const known = this.#seen.get(workerId);
      if (known === undefined || known.beats !== beats) {
        this.#seen.set(workerId, { beats, sinceMs: nowMs, resultsAt: null });
      } else if (nowMs - known.sinceMs >= LOST_AFTER_MS) {
        lost.push(workerId);
      }
    }
    return lost;
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
