/**
 * What the npm scripts run, on whatever Node the machine has: brings the dependencies up to date and then
 * runs the asked for command on the project's own Node. Plain JavaScript without dependencies, since on a
 * fresh clone there is nothing else.
 *
 *     node infra/launch/launch.mjs start|bench|bench:ledger|faults|faults:ledger|faults:batches|fuzz|test|check|<program of a dependency> [arguments…]
 */
import { delimiter, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { runChecks } from './checks.mjs';
import { ensureInstalled } from './install.mjs';
import { findProjectNode } from './project-node.mjs';
import { runAttached } from './run.mjs';

const HOST_NODE_MAJOR_MIN = 20;

const SCRIPTS = {
  start: 'services/all/main.ts',
  bench: 'test/bench/main.ts',
  faults: 'test/faults/main.ts',
  'faults:ledger': 'test/faults/ledger.ts',
  'faults:batches': 'test/faults/batches.ts',
  fuzz: 'test/fuzz/main.ts',
  compatibility: 'test/compatibility/main.ts',
  'bench:ledger': 'test/bench/ledger.ts',
};

const root = fileURLToPath(new URL('../..', import.meta.url));
const binDirectory = join(root, 'node_modules', '.bin');

/** @param {string[]} args */
const main = async ([command, ...args]) => {
  if (Number(process.versions.node.split('.')[0]) < HOST_NODE_MAJOR_MIN) {
    throw new Error(`Node ${process.version} is too old: install Node ${HOST_NODE_MAJOR_MIN} or newer.`);
  }
  if (command === undefined)
    throw new Error('Say what to launch: start, test, check, bench, faults or fuzz.');
  await ensureInstalled(root, { withDevelopment: command !== 'start' });
  const node = await findProjectNode(root);

  // Programs of dependencies name `node` in their first line: it shall be the project's.
  const env = { ...process.env, PATH: `${binDirectory}${delimiter}${process.env.PATH ?? ''}` };
  if (command === 'test' || command === 'check') {
    return runChecks(root, env, { withTests: command === 'test', testArguments: args });
  }
  if (Object.hasOwn(SCRIPTS, command)) {
    return runAttached(node, [join(root, SCRIPTS[command]), ...args], { cwd: root, env });
  }
  return runAttached(join(binDirectory, command), args, { cwd: root, env });
};

try {
  process.exitCode = await main(process.argv.slice(2));
} catch (error) {
  console.error(error instanceof Error ? error.message : error);
  process.exitCode = 1;
}
