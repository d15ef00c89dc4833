import { join } from 'node:path';
import { runAttached, runQuietly } from './run.mjs';

/** The quick ones first; the tests come last, so that the end of the output is their summary. */
const CHECKS = [
  { name: 'types', program: 'tsc', args: ['-p', '.'] },
  { name: 'lint', program: 'oxlint', args: ['--type-aware'] },
  { name: 'unused code', program: 'knip', args: [] },
  { name: 'format', program: 'oxfmt', args: ['--check', '.'] },
];

/**
 * Stops at the first check that fails.
 *
 * @param {string} root
 * @param {NodeJS.ProcessEnv} env
 * @param {{ withTests: boolean, testArguments: string[] }} options
 * @returns {Promise<number>} the exit code
 */
export const runChecks = async (root, env, { withTests, testArguments }) => {
  const programs = join(root, 'node_modules', '.bin');
  for (const { name, program, args } of CHECKS) {
    const startedMs = Date.now();
    const { exitCode, output } = await runQuietly(join(programs, program), args, { cwd: root, env });
    const seconds = ((Date.now() - startedMs) / 1_000).toFixed(1);
    if (exitCode !== 0) {
      console.error(output.trimEnd());
      console.error(`The check "${name}" failed ("${program} ${args.join(' ')}").`);
      return exitCode;
    }
    console.log(`${name}: passed in ${seconds} s`);
  }
  if (!withTests) return 0;
  return runAttached(join(programs, 'vitest'), ['run', ...testArguments], { cwd: root, env });
};
