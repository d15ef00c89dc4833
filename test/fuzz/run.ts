/** Tries mutated inputs one after another, and says what came of them. */
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { FloError } from '#domain/errors';
import { createRandom } from './random.ts';
import { createFuzzTargets } from './targets.ts';

export type FuzzFailure = { target: string; seed: number; error: string };

export type FuzzReport = {
  cases: number;
  taken: number;
  /** Refused with an error of the catalogue. */
  refused: number;
  /** The first of each kind. */
  failures: FuzzFailure[];
  slowestMs: number;
  slowest: string;
  /** Above what the heap held after the first cases, as seen after collecting garbage. */
  heapGrowthBytes: number;
};

export type FuzzOptions = {
  seed: number;
  cases: number;
  onProgress?: (done: number) => void;
};

const FAILURES_MAX = 20;
const HEAP_CHECK_EVERY = 20_000;
/** Often enough that a busy machine is not taken for a case that hangs. */
const PROGRESS_EVERY = 500;
/** Caches and compiled code have settled by then. */
const WARM_UP_CASES = 5_000;

setFlagsFromString('--expose-gc');
const collectGarbage = runInNewContext('gc') as () => void;

const heapBytes = (): number => {
  collectGarbage();
  return process.memoryUsage().heapUsed;
};

const describe = (error: unknown): string =>
  error instanceof Error ? (error.stack ?? error.message).split('\n').slice(0, 4).join('\n') : String(error);

/** Case number `n` depends on `seed + n` alone, so that any of them can be tried again by itself. */
export const runFuzz = ({ seed, cases, onProgress }: FuzzOptions): FuzzReport => {
  const targets = createFuzzTargets();
  const kinds = new Set<string>();
  const report: FuzzReport = {
    cases: 0,
    taken: 0,
    refused: 0,
    failures: [],
    slowestMs: 0,
    slowest: '',
    heapGrowthBytes: 0,
  };
  let heapAtStart: number | null = null;
  for (let index = 0; index < cases && report.failures.length < FAILURES_MAX; index += 1) {
    const caseSeed = (seed + index) >>> 0;
    const random = createRandom(caseSeed);
    const target = targets[caseSeed % targets.length];
    if (target === undefined) throw new TypeError('there is nothing to try');
    const startedMs = performance.now();
    try {
      target.tryOnce(random);
      report.taken += 1;
    } catch (error) {
      if (error instanceof FloError) report.refused += 1;
      else {
        const told = describe(error);
        const kind = `${target.name} ${told.split('\n').slice(0, 2).join(' ')}`;
        if (!kinds.has(kind)) report.failures.push({ target: target.name, seed: caseSeed, error: told });
        kinds.add(kind);
      }
    }
    const durationMs = performance.now() - startedMs;
    if (durationMs > report.slowestMs) {
      report.slowestMs = durationMs;
      report.slowest = `${target.name}, seed ${caseSeed}`;
    }
    report.cases += 1;
    if (report.cases === WARM_UP_CASES) heapAtStart = heapBytes();
    if (report.cases % HEAP_CHECK_EVERY === 0) {
      if (heapAtStart !== null)
        report.heapGrowthBytes = Math.max(report.heapGrowthBytes, heapBytes() - heapAtStart);
    }
    if (report.cases % PROGRESS_EVERY === 0) onProgress?.(report.cases);
  }
  return report;
};
