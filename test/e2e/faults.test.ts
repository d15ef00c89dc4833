/** A few of the fault scenarios with one seed each; `npm run test:faults` runs all of them with many. */
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest';
import { startRig, type Rig } from '#test/faults/rig';
import { runScenario } from '#test/faults/run-scenario';
import { SCENARIOS } from '#test/faults/scenarios';

const SELECTED = ['F1 worker.streaming', 'F1 job jobs.accepted', 'F7', 'F12', 'F16', 'F17', 'F18'];
const SEED = 1;

const testRun = inject('testRun');

// A container comes back at another port, so these need the program itself.
describe.skipIf(testRun.kind === 'containers')('a fault', () => {
  let rig: Rig;

  beforeAll(async () => {
    rig = await startRig(testRun);
  });

  afterAll(() => rig.close());

  it.each(SELECTED)('leaves everything in agreement: %s', { timeout: 120_000 }, async (id) => {
    const scenario = SCENARIOS.find((candidate) => candidate.id === id);
    if (scenario === undefined) throw new Error(`there is no scenario ${id}`);
    const { counts, violations } = await runScenario(rig, scenario, {
      seeds: 1,
      firstSeed: SEED,
      isFull: false,
    });
    expect(violations).toEqual([]);
    expect(counts).toMatchObject({ lost: 0, duplicates: 0, mismatch: 0, endings: 0, foreign: 0 });
  });
});
