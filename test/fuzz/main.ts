/**
 * `npm run test:fuzz`: mutated streams, bodies and requests through every decoder, in one thread for each
 * processor. `--cases N` says how many, `--seed N` with which the first begins.
 */
import { availableParallelism } from 'node:os';
import { parseArgs } from 'node:util';
import { Worker, isMainThread, parentPort, workerData } from 'node:worker_threads';
import { runFuzz, type FuzzReport } from './run.ts';

const CASES_DEFAULT = '1000000';
const SEED_DEFAULT = '1';
/** Between two signs of life; a thread that is silent for so long hangs. */
const SILENCE_MAX_MS = 120_000;
const SLOWEST_MAX_MS = 2_000;
const HEAP_GROWTH_MAX_BYTES = 64 * 1024 * 1024;

type Message = { done: number } | { report: FuzzReport };

const runThread = (seed: number, cases: number, onDone: (done: number) => void): Promise<FuzzReport> =>
  new Promise((resolve, reject) => {
    const worker = new Worker(new URL(import.meta.url), { workerData: { seed, cases } });
    let silence = setTimeout(() => {}, 0);
    const listen = (): void => {
      clearTimeout(silence);
      silence = setTimeout(() => {
        reject(new Error(`no sign of life for ${SILENCE_MAX_MS / 1_000} s: a case hangs`));
        void worker.terminate();
      }, SILENCE_MAX_MS);
    };
    listen();
    worker.on('message', (message: Message) => {
      listen();
      if ('done' in message) onDone(message.done);
      else resolve(message.report);
    });
    worker.on('error', reject);
    worker.on('exit', () => clearTimeout(silence));
  });

const runAll = async (): Promise<boolean> => {
  const { values } = parseArgs({
    options: {
      cases: { type: 'string', default: CASES_DEFAULT },
      seed: { type: 'string', default: SEED_DEFAULT },
    },
  });
  const cases = Number(values.cases);
  const seed = Number(values.seed);
  const threads = availableParallelism();
  const each = Math.ceil(cases / threads);
  const startedMs = performance.now();
  const done = Array.from({ length: threads }, () => 0);
  let shown = 0;
  const reports = await Promise.all(
    done.map((_, index) =>
      runThread(seed + index * each, each, (count) => {
        done[index] = count;
        const total = done.reduce((sum, one) => sum + one, 0);
        if (total - shown < 100_000) return;
        shown = total;
        console.log(`${total} cases tried`);
      }),
    ),
  );
  const sum = (of: (report: FuzzReport) => number): number =>
    reports.reduce((total, report) => total + of(report), 0);
  const slowest = reports.reduce((one, other) => (one.slowestMs > other.slowestMs ? one : other));
  const growth = Math.max(...reports.map(({ heapGrowthBytes }) => heapGrowthBytes));
  const failures = reports.flatMap((report) => report.failures);
  for (const { target, seed: failed, error } of failures)
    console.error(`${target} (--seed ${failed} --cases 1):\n${error}`);
  console.log(
    [
      `${sum(({ cases: count }) => count)} cases in ${((performance.now() - startedMs) / 1_000).toFixed(0)} s, seed ${seed}`,
      `${sum(({ taken }) => taken)} taken, ${sum(({ refused }) => refused)} refused, ${failures.length} kinds of failure`,
      `the slowest took ${slowest.slowestMs.toFixed(0)} ms (${slowest.slowest})`,
      `the heap grew by ${(growth / 1024 / 1024).toFixed(1)} MiB at most`,
    ].join('\n'),
  );
  return failures.length === 0 && slowest.slowestMs <= SLOWEST_MAX_MS && growth <= HEAP_GROWTH_MAX_BYTES;
};

if (isMainThread) {
  let isSound = true;
  process.on('unhandledRejection', (reason) => {
    isSound = false;
    console.error('a rejection that nobody handles:', reason);
  });
  isSound = (await runAll()) && isSound;
  process.exitCode = isSound ? 0 : 1;
} else {
  const { seed, cases } = workerData as { seed: number; cases: number };
  const post = (message: Message): void => parentPort?.postMessage(message);
  post({ report: runFuzz({ seed, cases, onProgress: (done) => post({ done }) }) });
}
