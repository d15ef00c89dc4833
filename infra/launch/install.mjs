import { createHash } from 'node:crypto';
import { readFile, writeFile } from 'node:fs/promises';
import { delimiter, join } from 'node:path';
import { isInstalled } from './installed.mjs';
import { withInstallLock } from './install-lock.mjs';
import { runQuietly } from './run.mjs';

const PROGRESS_MS = 5_000;

/** @param {string} path */
const readJson = async (path) => JSON.parse(await readFile(path, 'utf8'));

/** @param {string} root */
const stampPath = (root) => join(root, 'node_modules', '.flo2-install');

/** @param {string} root */
const hashLockfile = async (root) =>
  createHash('sha256')
    .update(await readFile(join(root, 'package-lock.json')))
    .update(`${process.platform}-${process.arch}`)
    .digest('hex');

/**
 * True after an install of ours, and after anybody's that left the same: who has run `npm ci` need not wait
 * for another.
 *
 * @param {string} root
 * @param {{ withDevelopment: boolean }} options
 */
const isCurrent = async (root, options) => {
  const stamp = await readFile(stampPath(root), 'utf8').catch(() => '');
  if (stamp === (await hashLockfile(root))) return true;
  const wanted = await readJson(join(root, 'package-lock.json'));
  const installed = await readJson(join(root, 'node_modules', '.package-lock.json')).catch(() => ({}));
  return isInstalled(wanted, installed, options);
};

/**
 * `npm ci` removes `node_modules` first, and with it the Node that may run this very file: npm is started
 * with the Node it was itself started with, and must not find the one that goes away.
 *
 * @param {string} root
 */
const findNpm = (root) => {
  const bin = join(root, 'node_modules', '.bin');
  const path = (process.env.PATH ?? '').split(delimiter).filter((entry) => entry !== bin);
  const env = { ...process.env, PATH: path.join(delimiter) };
  const { npm_execpath: npm, npm_node_execpath: node } = process.env;
  if (npm?.endsWith('.js') && node !== undefined && !node.startsWith(join(root, 'node_modules'))) {
    return { program: node, leading: [npm], env };
  }
  return { program: 'npm', leading: [], env };
};

/** @param {string} root */
const install = async (root) => {
  const startedMs = Date.now();
  const seconds = () => Math.round((Date.now() - startedMs) / 1_000);
  console.error('Installing the dependencies; once, about a minute…');
  const progress = setInterval(() => console.error(`  … still installing after ${seconds()} s`), PROGRESS_MS);
  const { program, leading, env } = findNpm(root);
  try {
    const args = [...leading, 'ci', '--no-audit', '--no-fund'];
    const { exitCode, output } = await runQuietly(program, args, { cwd: root, env });
    if (exitCode === 0) {
      await writeFile(stampPath(root), await hashLockfile(root));
      console.error(`Installed the dependencies in ${seconds()} s.`);
      return;
    }
    throw new Error(
      `${output.trim()}\n\nThe dependencies could not be installed ("npm ci" ended with ${exitCode}, its output is above). Check that this machine reaches its npm registry ("npm ping"), then try again.`,
    );
  } finally {
    clearInterval(progress);
  }
};

/**
 * Installs the dependencies unless what is installed is what package-lock.json asks for.
 *
 * @param {string} root
 * @param {{ withDevelopment: boolean }} options
 */
export const ensureInstalled = async (root, options) => {
  if (await isCurrent(root, options)) return;
  await withInstallLock(join(root, '.cache', 'install.lock'), {
    onWait: (pid) =>
      console.error(`Another start (process ${pid}) installs the dependencies; waiting for it…`),
    work: async () => {
      if (!(await isCurrent(root, options))) await install(root);
    },
  });
};
