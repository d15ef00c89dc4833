import type { Clock } from './ports.ts';

export type LoadingCacheOptions<Value> = {
  clock: Clock;
  entriesMax: number;
  /** How long a value is used without asking again. */
  freshMs: number;
  /** How long after that it is still used while the source cannot be asked. */
  staleMs: number;
  /** Whether a value may be kept; @default every value is */
  keep?: (value: Value) => boolean;
};

type Entry<Value> = { value: Value; loadedAtMs: number };

/**
 * A bounded cache in front of a slow source: the least recently used entry goes first, one question at a
 * time per key. What was dropped while it was being asked for is not kept, so a value that has changed
 * never comes back.
 */
export class LoadingCache<Key, Value> {
  readonly #options: LoadingCacheOptions<Value>;
  readonly #entries = new Map<Key, Entry<Value>>();
  readonly #loading = new Map<Key, Promise<Value>>();

  constructor(options: LoadingCacheOptions<Value>) {
    this.#options = options;
  }

  /** Rejects with what `load` rejects with, unless an old value may still serve. */
  async get(key: Key, load: () => Promise<Value>): Promise<Value> {
    const known = this.#entries.get(key);
    if (known !== undefined) {
      const ageMs = this.#options.clock.nowMs() - known.loadedAtMs;
      if (ageMs < this.#options.freshMs) {
        this.#entries.delete(key);
        this.#entries.set(key, known);
        return known.value;
      }
      if (ageMs >= this.#options.freshMs + this.#options.staleMs) this.#entries.delete(key);
    }
    try {
      return await (this.#loading.get(key) ?? this.#load(key, load));
    } catch (error) {
      // Only what is still here: an entry dropped since may be wrong.
      const usable = this.#entries.get(key);
      if (usable !== undefined) return usable.value;
      throw error;
    }
  }

  /** What `get` would give at once; undefined where it would have to ask. */
  peek(key: Key): Value | undefined {
    const known = this.#entries.get(key);
    if (known === undefined) return undefined;
    return this.#options.clock.nowMs() - known.loadedAtMs < this.#options.freshMs ? known.value : undefined;
  }

  #load(key: Key, load: () => Promise<Value>): Promise<Value> {
    const loading = load().then(
      (value) => {
        if (this.#loading.get(key) === loading) {
          this.#loading.delete(key);
          this.#store(key, value);
        }
        return value;
      },
      (error: unknown) => {
        if (this.#loading.get(key) === loading) this.#loading.delete(key);
        throw error;
      },
    );
    this.#loading.set(key, loading);
    return loading;
  }

  #store(key: Key, value: Value): void {
    const { entriesMax, clock, keep } = this.#options;
    this.#entries.delete(key);
    if (keep !== undefined && !keep(value)) return;
    this.#entries.set(key, { value, loadedAtMs: clock.nowMs() });
    if (this.#entries.size <= entriesMax) return;
    const [oldest] = this.#entries.keys();
    if (oldest !== undefined) this.#entries.delete(oldest);
  }

  /** Drops the entries whose value is concerned, and whatever is being asked for now. */
  drop(concerns: (value: Value, key: Key) => boolean): void {
    this.#loading.clear();
    for (const [key, { value }] of this.#entries) {
      if (concerns(value, key)) this.#entries.delete(key);
    }
  }

  clear(): void {
    this.#loading.clear();
    this.#entries.clear();
  }
}
