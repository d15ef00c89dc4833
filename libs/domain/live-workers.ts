/**
 * Who of the workers owns what, by rendezvous hashing: each name goes to the living worker that draws the
 * highest number for it. Everybody who knows the same workers finds the same owner without asking, and a
 * worker that comes or goes moves only the names that it wins or had.
 *
 *   unknown ──presence──▶ living ──leaving | silent for 2.5 s──▶ unknown
 */
const SILENT_MS = 2_500;
const OWNERS_KEPT_MAX = 50_000;

/** FNV-1a over the text, and a last mix so that similar texts draw unlike numbers. */
export const hashText = (text: string): number => {
  let hash = 0x811c9dc5;
  for (let index = 0; index < text.length; index += 1) {
    hash = Math.imul(hash ^ text.charCodeAt(index), 0x01000193);
  }
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return (hash ^ (hash >>> 16)) >>> 0;
};

export class LiveWorkers {
  readonly #seenAtMs = new Map<string, number>();
  readonly #owners = new Map<string, string>();
  readonly #onChange: (() => void)[] = [];

  get size(): number {
    return this.#seenAtMs.size;
  }

  has(workerId: string): boolean {
    return this.#seenAtMs.has(workerId);
  }

  onChange(callback: () => void): void {
    this.#onChange.push(callback);
  }

  seen(presence: { workerId: string; isLeaving: boolean }, nowMs: number): void {
    const isKnown = this.#seenAtMs.has(presence.workerId);
    if (presence.isLeaving) this.#seenAtMs.delete(presence.workerId);
    else this.#seenAtMs.set(presence.workerId, nowMs);
    if (isKnown === presence.isLeaving) this.#changed();
  }

  /** To be called about twice a second, and not while nothing can be heard. */
  forgetSilent(nowMs: number): void {
    const before = this.#seenAtMs.size;
    for (const [workerId, seenAtMs] of this.#seenAtMs) {
      if (nowMs - seenAtMs > SILENT_MS) this.#seenAtMs.delete(workerId);
    }
    if (this.#seenAtMs.size !== before) this.#changed();
  }

  /** After a time in which nobody could be heard: whoever was there may still be. */
  renew(nowMs: number): void {
    for (const workerId of this.#seenAtMs.keys()) this.#seenAtMs.set(workerId, nowMs);
  }

  #changed(): void {
    this.#owners.clear();
    for (const callback of this.#onChange) callback();
  }

  /** Null while no worker is known. */
  ownerOf(name: string): string | null {
    const known = this.#owners.get(name);
    if (known !== undefined) return known;
    let owner: string | null = null;
    let highest = -1;
    for (const workerId of this.#seenAtMs.keys()) {
      const draw = hashText(`${workerId}/${name}`);
      if (draw > highest || (draw === highest && owner !== null && workerId > owner)) {
        highest = draw;
        owner = workerId;
      }
    }
    if (owner !== null) {
      if (this.#owners.size >= OWNERS_KEPT_MAX) this.#owners.clear();
      this.#owners.set(name, owner);
    }
    return owner;
  }
}
