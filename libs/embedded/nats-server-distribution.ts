/**
 * Fetches nats-server as a package of the machine's own distribution, from a newer suite on the mirror the
 * machine is set up for. Signatures are checked by apt; nothing is installed and no root is needed, since
 * apt works on private lists and a private cache.
 */
import { execFile } from 'node:child_process';
import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import type { OnProgress } from './progress.ts';

/** `uri` as in a sources file; `signedBy` is the path of a keyring, null when the source names none. */
export type Mirror = { origin: DistributionName; uri: string; signedBy: string | null };

type DistributionName = 'Debian' | 'Ubuntu';
type Distribution = {
  /** The suites that hold nats-server ≥ 2.10, the newest first. */
  suites: readonly string[];
  component: string;
  keyring: string;
};

const DISTRIBUTIONS: Readonly<Record<DistributionName, Distribution>> = {
  Debian: {
    suites: ['sid', 'trixie'],
    component: 'main',
    keyring: '/usr/share/keyrings/debian-archive-keyring.gpg',
  },
  Ubuntu: {
    suites: ['devel', 'noble'],
    component: 'universe',
    keyring: '/usr/share/keyrings/ubuntu-archive-keyring.gpg',
  },
};

const RUN_WAIT_MS = 120_000;

const isDistribution = (text: string | undefined): text is DistributionName =>
  text !== undefined && Object.hasOwn(DISTRIBUTIONS, text);

/** Only what may stand in a one-line source without changing its meaning. */
const isPlainUri = (text: string): boolean => /^[a-z+]+:[^\s[\]"'#]+$/.test(text);
const isPlainPath = (text: string): boolean => /^\/[^\s[\]"'#,]+$/.test(text);

/** Paragraphs of `Name: value` lines, comments left out; names in lower case. */
const decodeParagraphs = (text: string): Map<string, string>[] =>
  text.split(/\n(?:[ \t]*\n)+/).map((paragraph) => {
    const fields = new Map<string, string>();
    for (const line of paragraph.split('\n')) {
      const match = /^([A-Za-z][\w-]*):[ \t]*(.*)$/.exec(line);
      if (match?.[1] !== undefined) fields.set(match[1].toLowerCase(), (match[2] ?? '').trim());
    }
    return fields;
  });

const withoutDuplicates = (mirrors: readonly Mirror[]): Mirror[] => [
  ...new Map(mirrors.map((mirror) => [mirror.uri, mirror])).values(),
];

const keyringOf = (signedBy: string | undefined): string | null =>
  signedBy !== undefined && isPlainPath(signedBy) ? signedBy : null;

/** Reads the output of `apt-get indextargets`. */
export const decodeIndexTargets = (text: string): Mirror[] =>
  withoutDuplicates(
    decodeParagraphs(text).flatMap((fields) => {
      const origin = fields.get('origin');
      const uri = fields.get('repo-uri');
      // Security archives have the distribution's origin too, but a label of their own, and no nats-server.
      if (!isDistribution(origin) || fields.get('label') !== origin) return [];
      if (uri === undefined || !isPlainUri(uri)) return [];
      return [{ origin, uri, signedBy: keyringOf(fields.get('signed-by')) }];
    }),
  );

/** Neither kind of sources file says whose archive it is: the last part of its address does. */
const mirrorOf = (uri: string, signedBy: string | undefined): Mirror[] => {
  const name = /\/(debian|ubuntu)\/?$/.exec(uri)?.[1];
  if (name === undefined || !isPlainUri(uri)) return [];
  const origin = name === 'debian' ? 'Debian' : 'Ubuntu';
  return [{ origin, uri, signedBy: keyringOf(signedBy) }];
};

/** Reads a deb822 file, as in `/etc/apt/sources.list.d/debian.sources`. */
export const decodeDeb822Sources = (text: string): Mirror[] =>
  withoutDuplicates(
    decodeParagraphs(text)
      .filter((fields) => (fields.get('types') ?? '').split(/\s+/).includes('deb'))
      .filter((fields) => !/^(?:no|false)$/i.test(fields.get('enabled') ?? ''))
      .flatMap((fields) =>
        (fields.get('uris') ?? '').split(/\s+/).flatMap((uri) => mirrorOf(uri, fields.get('signed-by'))),
      ),
  );

/** Reads one-line sources, as in `/etc/apt/sources.list`. */
export const decodeSourcesList = (text: string): Mirror[] =>
  withoutDuplicates(
    text.split('\n').flatMap((line) => {
      const match = /^\s*deb\s+(?:\[([^\]]*)\]\s+)?(\S+)\s+\S+/.exec(line);
      const signedBy = /(?:^|\s)signed-by=(\S+)/.exec(match?.[1] ?? '')?.[1];
      return match?.[2] === undefined ? [] : mirrorOf(match[2], signedBy);
    }),
  );

const run = async (program: string, args: readonly string[], cwd: string): Promise<string> => {
  const { stdout } = await promisify(execFile)(program, args, {
    cwd,
    timeout: RUN_WAIT_MS,
    maxBuffer: 16 * 1024 * 1024,
    env: { ...process.env, LC_ALL: 'C' },
  });
  return stdout;
};

const readSources = async (): Promise<Mirror[]> => {
  const directory = '/etc/apt/sources.list.d';
  const names: string[] = await readdir(directory).catch(() => []);
  const read = (path: string): Promise<string> => readFile(path, 'utf8').catch(() => '');
  const mirrors = decodeSourcesList(await read('/etc/apt/sources.list'));
  for (const name of names.toSorted()) {
    const text = await read(join(directory, name));
    if (name.endsWith('.sources')) mirrors.push(...decodeDeb822Sources(text));
    if (name.endsWith('.list')) mirrors.push(...decodeSourcesList(text));
  }
  return withoutDuplicates(mirrors);
};

/** apt knows its targets only once it has been updated; the sources files speak before that too. */
const findMirrors = async (): Promise<Mirror[]> => {
  const targets = await run('apt-get', ['indextargets'], '/').catch((error: unknown) => {
    const isMissing = error instanceof Error && 'code' in error && error.code === 'ENOENT';
    throw new Error(isMissing ? 'there is no apt on this machine' : 'apt-get indextargets failed', {
      cause: error,
    });
  });
  const mirrors = decodeIndexTargets(targets);
  return mirrors.length > 0 ? mirrors : readSources();
};

const fetchFrom = async (mirror: Mirror, suite: string, directory: string): Promise<string> => {
  const { component, keyring } = DISTRIBUTIONS[mirror.origin];
  for (const name of ['lists/partial', 'cache/archives/partial', 'package', 'tree']) {
    await mkdir(join(directory, name), { recursive: true });
  }
  const sourcePath = join(directory, 'sources.list');
  await writeFile(
    sourcePath,
    `deb [signed-by=${mirror.signedBy ?? keyring}] ${mirror.uri} ${suite} ${component}\n`,
  );
  const settings = [
    `Dir::Etc::sourcelist=${sourcePath}`,
    'Dir::Etc::sourceparts=-',
    `Dir::State::lists=${join(directory, 'lists')}`,
    `Dir::Cache=${join(directory, 'cache')}`,
    // Without this apt, started by root, downloads as a user who may not enter a private directory.
    'APT::Sandbox::User=root',
    'APT::Get::List-Cleanup=0',
    'Acquire::Languages=none',
    'Acquire::Retries=1',
    'Acquire::http::ConnectionAttemptDelayMsec=250',
    'Acquire::http::Timeout=15',
    'Acquire::https::Timeout=15',
  ].flatMap((setting) => ['-o', setting]);
  await run('apt-get', ['-qq', ...settings, 'update'], directory);
  const packageDirectory = join(directory, 'package');
  await run('apt-get', ['-qq', ...settings, 'download', 'nats-server'], packageDirectory);
  const [packageName] = await readdir(packageDirectory);
  if (packageName === undefined) throw new Error(`${suite} has no nats-server`);
  const tree = join(directory, 'tree');
  await run('dpkg', ['-x', join(packageDirectory, packageName), tree], directory);
  return join(tree, 'usr/sbin/nats-server');
};

/**
 * Puts the program below `directory` and resolves to its path, the newest that `accept` takes: a program
 * of a newer suite may not run on an older system. Rejects with the reasons in a few words.
 */
export const fetchNatsServerPackage = async (
  directory: string,
  accept: (program: string) => Promise<boolean>,
  onProgress: OnProgress,
): Promise<string> => {
  const failures: string[] = [];
  for (const mirror of await findMirrors()) {
    for (const suite of DISTRIBUTIONS[mirror.origin].suites) {
      onProgress(`Fetching nats-server from the ${mirror.origin} mirror (${suite})…`);
      const place = join(directory, `${mirror.origin}-${suite}-${failures.length}`);
      try {
        const program = await fetchFrom(mirror, suite, place);
        if (await accept(program)) return program;
        failures.push(`${mirror.origin} ${suite}: the program does not run here or is too old`);
      } catch (error) {
        const [firstLine = ''] = (error instanceof Error ? error.message : String(error))
          .split('\n')
          .filter((line) => /^[EW]: /.test(line));
        failures.push(`${mirror.origin} ${suite}: ${firstLine === '' ? 'apt failed' : firstLine}`);
      }
    }
  }
  throw new Error(failures.length === 0 ? 'apt names no Debian or Ubuntu mirror' : failures.join('; '));
};
