/**
 * `npm run test:faults`: breaks flo2 on purpose and counts what does not agree afterwards.
 *
 *     npm run test:faults -- [F1 F9 worker.granted …] [--seeds 20] [--first-seed 1] [--full]
 *
 * Words select scenarios whose id contains them. `--full` keeps the long times of the fault matrix.
 */
import { parseArgs } from 'node:util';
import { killLaunched } from '#test/support/flo2-process';
import { startTestServers } from '#test/support/global-setup';
import { stopOnSignal } from '#test/support/stop-on-signal';
import { startRig } from './rig.ts';
import { isClean, runScenario, type Outcome } from './run-scenario.ts';
import { SCENARIOS } from './scenarios.ts';

const VIOLATIONS_SHOWN = 8;

const readArguments = () => {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      seeds: { type: 'string', default: '20' },
      'first-seed': { type: 'string', default: '1' },
      full: { type: 'boolean', default: false },
    },
  });
  return {
    words: positionals.map((word) => word.toLowerCase()),
    seeds: Number(values.seeds),
    firstSeed: Number(values['first-seed']),
    isFull: values.full,
  };
};

const isSelected = (id: string, words: readonly string[]): boolean =>
  words.length === 0 || words.some((word) => id.toLowerCase().split(' ').includes(word));

const rowOf = ({
  id,
  seeds,
  requests,
  answered,
  counts,
  recoveryMaxSeconds,
  figures,
  violations,
}: Outcome) => ({
  scenario: id,
  seeds,
  requests,
  answered,
  L: counts.lost,
  D: counts.duplicates,
  M: counts.mismatch,
  T: counts.endings,
  X: counts.foreign,
  unknown: counts.unknown,
  'R s': recoveryMaxSeconds.toFixed(1),
  else: violations.length,
  figures: Object.entries(figures)
    .map(([name, value]) => `${name} ${Number.isInteger(value) ? value : value.toFixed(2)}`)
    .join(', '),
});

const printTable = (rows: readonly Record<string, string | number>[]): void => {
  const names = Object.keys(rows[0] ?? {});
  const widths = names.map((name) => Math.max(name.length, ...rows.map((row) => String(row[name]).length)));
  const line = (cells: readonly (string | number | undefined)[]): string =>
    `| ${cells.map((cell, index) => String(cell).padEnd(widths[index] ?? 0)).join(' | ')} |`;
  console.log(line(names));
  console.log(line(widths.map((width) => '-'.repeat(width))));
  for (const row of rows) console.log(line(names.map((name) => row[name])));
};

const { words, seeds, firstSeed, isFull } = readArguments();
const selected = SCENARIOS.filter(({ id }) => isSelected(id, words));
if (selected.length === 0) {
  console.error(`No scenario is called so. There are: ${SCENARIOS.map(({ id }) => id).join(', ')}`);
  process.exit(2);
}
const outcomes: Outcome[] = [];
let exitCode = 0;
let isStopping = false;
const starting = startTestServers();
// What was counted until then is shown; the processes it started end with it, and then their servers.
stopOnSignal(async () => {
  isStopping = true;
  if (outcomes.length > 0) printTable(outcomes.map(rowOf));
  killLaunched();
  await (await starting).stop();
});
const servers = await starting;
try {
  const rig = await startRig(servers.run);
  for (const scenario of selected) {
    const outcome = await runScenario(rig, scenario, { seeds, firstSeed, isFull });
    outcomes.push(outcome);
    console.log(
      `${isClean(outcome) ? 'clean' : 'NOT CLEAN'}  ${outcome.id} (${outcome.seconds.toFixed(0)} s)`,
    );
    for (const violation of outcome.violations.slice(0, VIOLATIONS_SHOWN)) console.log(`    ${violation}`);
  }
  const pendingMessages = await rig.settledMessages();
  const leaks = await rig.close();
  console.log('');
  printTable(outcomes.map(rowOf));
  console.log(
    `\nZ: ${pendingMessages.length} consumers with messages left, ${leaks.length} processes with something in hand at the end`,
  );
  for (const leak of [...pendingMessages, ...leaks]) console.log(`    ${leak}`);
  if (!outcomes.every(isClean) || pendingMessages.length + leaks.length > 0) exitCode = 1;
} catch (error) {
  if (!isStopping) console.error(error);
  exitCode = 1;
  killLaunched();
} finally {
  await servers.stop();
}
process.exit(exitCode);
