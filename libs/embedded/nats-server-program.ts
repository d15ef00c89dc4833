/** Finds a nats-server on this machine or fetches one into the project's cache. */
import { execFile } from 'node:child_process';
import { chmod, mkdir, mkdtemp, readdir, rename, rm } from 'node:fs/promises';
import { delimiter, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { fetchNatsServerPackage } from './nats-server-distribution.ts';
import { fetchNatsServerRelease } from './nats-server-release.ts';
import {
  compareVersions,
  decodeVersion,
  encodeVersion,
  NATS_SERVER_FLOOR,
  type NatsServerVersion,
} from './nats-server-version.ts';
import type { OnProgress } from './progress.ts';

export type NatsServerProgram = { path: string; version: NatsServerVersion };

export type FindOptions = {
  /** The value of `FLO2_NATS_SERVER`; nothing else is tried then. */
  explicitPath?: string | undefined;
  /** @default `.cache` at the project's root */
  cacheDir?: string;
  onProgress?: OnProgress;
};

const DEFAULT_CACHE_DIR = fileURLToPath(new URL('../../.cache', import.meta.url));

/** Null when it cannot be run or does not tell a version. */
const probe = async (path: string): Promise<NatsServerProgram | null> => {
  try {
    const { stdout } = await promisify(execFile)(path, ['--version'], { timeout: 10_000 });
    const version = decodeVersion(stdout);
    return version === null ? null : { path, version };
  } catch {
    return null;
  }
};

const isNewEnough = (program: NatsServerProgram): boolean =>
  compareVersions(program.version, NATS_SERVER_FLOOR) >= 0;

const useExplicit = async (path: string): Promise<NatsServerProgram> => {
  const program = await probe(path);
  if (program !== null && isNewEnough(program)) return program;
  const what = program === null ? 'cannot be run' : `is version ${encodeVersion(program.version)}`;
  throw new Error(
    `FLO2_NATS_SERVER names ${path}, which ${what}: give the path of a nats-server ${encodeVersion(NATS_SERVER_FLOOR)} or newer, or unset it.`,
  );
};

const findOnPath = async (tried: string[]): Promise<NatsServerProgram | null> => {
  for (const directory of (process.env['PATH'] ?? '').split(delimiter)) {
    if (directory === '') continue;
    const program = await probe(join(directory, 'nats-server'));
    if (program === null) continue;
    if (isNewEnough(program)) return program;
    tried.push(`${program.path}: version ${encodeVersion(program.version)} is too old`);
  }
  return null;
};

const CACHED_NAME = /^nats-server-\d+\.\d+\.\d+$/;

const findInCache = async (cacheDir: string): Promise<NatsServerProgram | null> => {
  const names = await readdir(cacheDir).catch(() => []);
  const programs = await Promise.all(
    names.filter((name) => CACHED_NAME.test(name)).map((name) => probe(join(cacheDir, name))),
  );
  const usable = programs.filter((program) => program !== null).filter(isNewEnough);
  return usable.sort((left, right) => compareVersions(right.version, left.version))[0] ?? null;
};

/** Several starts may fetch at once: each works in a directory of its own and renames what it got. */
const fetchIntoCache = async (
  cacheDir: string,
  tried: string[],
  onProgress: OnProgress,
): Promise<NatsServerProgram | null> => {
  await mkdir(cacheDir, { recursive: true });
  const workDir = await mkdtemp(join(cacheDir, 'fetch-'));
  const accept = async (path: string): Promise<boolean> => {
    const program = await probe(path);
    return program !== null && isNewEnough(program);
  };
  const sources = [
    { name: 'its official release', fetch: () => fetchNatsServerRelease(workDir, onProgress) },
    { name: "the distribution's mirror", fetch: () => fetchNatsServerPackage(workDir, accept, onProgress) },
  ];
  try {
    for (const source of sources) {
      try {
        const path = await source.fetch();
        await chmod(path, 0o755);
        const program = await probe(path);
        if (program !== null && isNewEnough(program)) {
          const cachedPath = join(cacheDir, `nats-server-${encodeVersion(program.version)}`);
          await rename(path, cachedPath);
          return { path: cachedPath, version: program.version };
        }
        tried.push(`${source.name}: what it gave does not run on this machine`);
      } catch (error) {
        tried.push(`${source.name}: ${describe(error)}`);
      }
    }
    return null;
  } finally {
    await rm(workDir, { recursive: true, force: true });
  }
};

/** `fetch` hides why it failed in its cause. */
const describe = (error: unknown): string => {
  if (!(error instanceof Error)) return String(error);
  return error.message === 'fetch failed' && error.cause instanceof Error
    ? error.cause.message
    : error.message;
};

/**
 * In this order: the explicit path, PATH, the cache, the official release, the distribution's mirror.
 * Rejects with all that was tried and what to do.
 */
export const findNatsServer = async (options: FindOptions = {}): Promise<NatsServerProgram> => {
  if (options.explicitPath !== undefined && options.explicitPath !== '') {
    return useExplicit(options.explicitPath);
  }
  const cacheDir = options.cacheDir ?? DEFAULT_CACHE_DIR;
  const tried: string[] = [];
  const found =
    (await findOnPath(tried)) ??
    (await findInCache(cacheDir)) ??
    (await fetchIntoCache(cacheDir, tried, options.onProgress ?? (() => {})));
  if (found !== null) return found;
  throw new Error(
    [
      `No nats-server was found and none could be fetched. Install nats-server ${encodeVersion(NATS_SERVER_FLOOR)} or newer, set FLO2_NATS_SERVER to its path, or set NATS_URL to a server with JetStream. Tried:`,
      '  PATH: nothing new enough',
      ...tried.map((line) => `  ${line}`),
    ].join('\n'),
  );
};
