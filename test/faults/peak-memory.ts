import { readFile } from 'node:fs/promises';

const LOOK_INTERVAL_MS = 1_000;

/**
 * The highest resident memory of each kind of process, as the kernel remembers it for each, so that nothing is
 * missed between two looks; empty where the system does not tell.
 */
export class PeakMemory {
  readonly #names = new Map<number, string>();
  readonly #peaks = new Map<string, number>();

  constructor() {
    setInterval(() => void this.look(), LOOK_INTERVAL_MS).unref();
  }

  watch(name: string, pid: number): void {
    this.#names.set(pid, name);
  }

  /** To be called before a process is killed; those that are gone are forgotten. */
  async look(): Promise<void> {
    for (const [pid, name] of this.#names) {
      const status = await readFile(`/proc/${pid}/status`, 'utf8').catch(() => null);
      const kibibytes = status === null ? undefined : /VmHWM:\s+(\d+) kB/.exec(status)?.[1];
      if (kibibytes === undefined) this.#names.delete(pid);
      else this.#peaks.set(name, Math.max(this.#peaks.get(name) ?? 0, Number(kibibytes) / 1_024));
    }
  }

  /** MiB. */
  peaks(): Record<string, number> {
    return Object.fromEntries([...this.#peaks].map(([name, mebibytes]) => [name, Math.round(mebibytes)]));
  }
}
