import { execFile } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';

/** The first Node that runs TypeScript as it stands without a warning. */
const NODE_MIN = [24, 12];

/** @param {string} version as in `v24.21.0` */
export const runsTypeScript = (version) => {
  const [major = 0, minor = 0] = version.replace(/^v/, '').split('.').map(Number);
  return major > NODE_MIN[0] || (major === NODE_MIN[0] && minor >= NODE_MIN[1]);
};

/** @param {string} path */
const readVersion = async (path) => {
  try {
    return (await promisify(execFile)(path, ['--version'])).stdout.trim();
  } catch {
    return null;
  }
};

/**
 * The Node that came with the dependencies; this machine's own where that does not run here and this one
 * is new enough.
 *
 * @param {string} root
 */
export const findProjectNode = async (root) => {
  const path = join(root, 'node_modules', '.bin', 'node');
  const version = await readVersion(path);
  if (version !== null && runsTypeScript(version)) return path;
  if (runsTypeScript(process.version)) return process.execPath;
  const { version: wanted } = JSON.parse(
    await readFile(join(root, 'node_modules', 'node', 'package.json'), 'utf8'),
  );
  throw new Error(
    [
      `Node ${wanted}, a dependency, was not set up: npm did not run the install script of the package "node".`,
      'Where "npm config get ignore-scripts" says true, run "npm config set ignore-scripts false --location=project".',
      'Then delete node_modules and try again. Or install Node 24 on this machine.',
    ].join('\n'),
  );
};
