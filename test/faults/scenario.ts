import type { Ending, RequestRecord, TaggedTenant } from './history.ts';
import type { Rig } from './rig.ts';

/** What one seed of a scenario did; the checker judges it once the dust has settled. */
export type SeedRun = {
  tenants: readonly TaggedTenant[];
  requests: readonly RequestRecord[];
  /** When the fault was over, or the process gone; Unix milliseconds. Recovery is counted from here. */
  faultAtMs: number;
  /** Endings that this scenario allows besides `answered`; those through a killed process may also be broken. */
  allowed: readonly Ending[];
  mayRepeat?: boolean;
  /** What else the scenario looked at and did not find as it must be, in words. */
  violations: readonly string[];
  /** Figures worth printing, by name: the highest over the seeds is shown. */
  figures?: Readonly<Record<string, number>>;
};

export type ScenarioContext = {
  rig: Rig;
  seed: number;
  /** In [0, 1), the same in every run of this seed. */
  random: () => number;
  /** Times are those of the fault matrix, and not shortened. */
  isFull: boolean;
};

export type Scenario = {
  /** `F1 worker.granted`: the row of the fault matrix, and which variant of it. */
  id: string;
  title: string;
  /** Where a run is long whatever is done: only so many seeds of those asked for. */
  seedsMax?: number;
  /** Seeds that may run at the same time; faults that everything feels stand alone. */
  atOnce: number;
  /** How soon after the fault everything must agree. */
  recoveryMaxMs: number;
  run: (context: ScenarioContext) => Promise<SeedRun>;
};

/** A whole number from `low` to `high`. */
export const pick = (random: () => number, low: number, high: number): number =>
  low + Math.floor(random() * (high - low + 1));

/** A name for a tenant of this seed, in canaries too. */
export const tagOf = (scenario: string, seed: number): string =>
  `${scenario.toLowerCase().replaceAll(/[^a-z0-9]/g, '')}s${seed}`;
