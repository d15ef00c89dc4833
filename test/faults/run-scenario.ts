/** Runs a scenario's seeds and has each judged by the checker once its dust has settled. */
import { setTimeout as sleep } from 'node:timers/promises';
import { seededRandom } from '#test/support/attempt-events';
import { addCounts, check, NO_COUNTS, type Counts } from './checker.ts';
import type { Rig } from './rig.ts';
import type { Scenario, SeedRun } from './scenario.ts';

export type Outcome = {
  id: string;
  title: string;
  seeds: number;
  requests: number;
  answered: number;
  counts: Counts;
  recoveryMaxSeconds: number;
  figures: Readonly<Record<string, number>>;
  violations: readonly string[];
  seconds: number;
};

type Judged = { counts: Counts; recoveryMs: number; violations: string[] };

const POLL_MS = 200;
/** Beyond the limit by so much is still waited for, so that the table says how late instead of that it is. */
const LATE_MS = 25_000;
/** Of what a process said before it ended. */
const EXPLANATION_MAX = 2_000;

const judge = async (rig: Rig, scenario: Scenario, run: SeedRun): Promise<Judged> => {
  const giveUpAtMs = Date.now() + scenario.recoveryMaxMs + LATE_MS;
  let judged = await check(rig.ledger, { ...run, calls: rig.callsOf(run.tenants) });
  while (judged.pending > 0 && Date.now() < giveUpAtMs) {
    await sleep(POLL_MS);
    judged = await check(rig.ledger, { ...run, calls: rig.callsOf(run.tenants) });
  }
  const lastEndedAtMs = Math.max(0, ...run.requests.map(({ endedAtMs }) => endedAtMs));
  const settledAtMs = judged.pending > 0 ? Date.now() : Math.max(lastEndedAtMs, Date.now() - POLL_MS);
  const recoveryMs = Math.max(0, settledAtMs - run.faultAtMs);
  const violations = [...run.violations];
  for (const { ending, viaVictim, canary, code, status, ...rest } of run.requests) {
    const isAllowed =
      ending === 'answered' || run.allowed.includes(ending) || (viaVictim && ending === 'broken');
    if (isAllowed) continue;
    const tookMs = rest.endedAtMs - rest.startedAtMs;
    const said = `${status}, ${code ?? 'no code'}, Retry-After ${rest.retryAfter ?? 'none'}, after ${tookMs} ms`;
    violations.push(`${canary} ended as ${ending} (${said})`);
  }
  if (recoveryMs > scenario.recoveryMaxMs) {
    violations.push(`recovery took ${(recoveryMs / 1_000).toFixed(1)} s`);
  }
  return { counts: judged.counts, recoveryMs, violations };
};

const explain = (error: unknown): string =>
  (error instanceof Error ? error.message : String(error)).slice(0, EXPLANATION_MAX);

export const runScenario = async (
  rig: Rig,
  scenario: Scenario,
  options: { seeds: number; firstSeed: number; isFull: boolean },
): Promise<Outcome> => {
  const startedAtMs = Date.now();
  const outcome = { requests: 0, answered: 0, counts: NO_COUNTS, recoveryMs: 0 };
  const violations: string[] = [];
  const figures: Record<string, number> = {};
  const allJudging: Promise<unknown>[] = [];
  const seeds = Math.min(options.seeds, scenario.seedsMax ?? options.seeds);
  let nextSeed = options.firstSeed;
  const lane = async (): Promise<void> => {
    while (nextSeed < options.firstSeed + seeds) {
      const seed = nextSeed;
      nextSeed += 1;
      const random = seededRandom(seed);
      let run: SeedRun;
      try {
        run = await scenario.run({ rig, seed, random, isFull: options.isFull });
      } catch (error) {
        // The others are run all the same: the table is to be whole.
        violations.push(`seed ${seed}: could not be run: ${explain(error)}`);
        continue;
      }
      outcome.requests += run.requests.length;
      outcome.answered += run.requests.filter(({ ending }) => ending === 'answered').length;
      for (const [name, value] of Object.entries(run.figures ?? {})) {
        figures[name] = Math.max(figures[name] ?? Number.NEGATIVE_INFINITY, value);
      }
      const judging = judge(rig, scenario, run).then(
        (judged) => {
          outcome.counts = addCounts(outcome.counts, judged.counts);
          outcome.recoveryMs = Math.max(outcome.recoveryMs, judged.recoveryMs);
          violations.push(...judged.violations.map((violation) => `seed ${seed}: ${violation}`));
        },
        (error: unknown) => violations.push(`seed ${seed}: could not be judged: ${explain(error)}`),
      );
      allJudging.push(judging);
      // What everything feels must be over before the next of it begins.
      if (scenario.atOnce === 1) await judging;
    }
  };
  await Promise.all(Array.from({ length: Math.min(scenario.atOnce, seeds) }, lane));
  await Promise.all(allJudging);
  for (const role of rig.ended()) violations.push(`a process of the role ${role} has ended`);
  return {
    id: scenario.id,
    title: scenario.title,
    seeds,
    requests: outcome.requests,
    answered: outcome.answered,
    counts: outcome.counts,
    recoveryMaxSeconds: outcome.recoveryMs / 1_000,
    figures,
    violations,
    seconds: (Date.now() - startedAtMs) / 1_000,
  };
};

/** All counts that must be zero are, and nothing else was amiss. */
export const isClean = ({ counts, violations }: Outcome): boolean =>
  counts.lost + counts.duplicates + counts.mismatch + counts.endings + counts.foreign === 0 &&
  violations.length === 0;
