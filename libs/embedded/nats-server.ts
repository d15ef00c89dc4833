/** Runs a real nats-server with JetStream as a child, for machines that have none. */
import { readFile, rm, writeFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { join, resolve } from 'node:path';
import { lockDataDirectory } from './data-directory-lock.ts';
import { launchDetachedServer } from './detached-server.ts';
import { findFreePort } from './free-port.ts';
import { findNatsServer, type FindOptions } from './nats-server-program.ts';
import { readCommandLine, stopProcess } from './own-process.ts';
import type { OnProgress } from './progress.ts';
import { createPassword, readPassword } from './server-password.ts';

export type NatsServerOptions = FindOptions & {
  /** Created when missing. Holds the streams, the configuration with its password (0600), log and lock. */
  dataDir: string;
  /** @default a free one, another at each start */
  port?: number;
  /** How often the start is tried while the port is taken. @default 8, in half a minute */
  attempts?: number | undefined;
  /**
   * How often written messages are forced to disk; `always` before each acknowledgement. A crash of the
   * server loses nothing either way, one of the machine what came since the last time.
   * @default 10_000
   */
  syncIntervalMs?: number | 'always';
  /** Told once, with a sentence, when the server ends without `stop` having been called. */
  onUnexpectedExit?: (reason: string) => void;
};

export type RunningNatsServer = {
  /** `nats://user:password@127.0.0.1:port` */
  url: string;
  pid: number;
  /** Orderly shutdown: what is in memory is written. Resolves once it is gone. */
  stop: () => Promise<void>;
};

const USER = 'flo2';
const CONFIGURATION = 'nats-server.conf';
const PID_FILE = 'nats-server.pid';
const START_WAIT_MS = 30_000;
const STOP_STEPS = [
  { signal: 'SIGTERM', waitMs: 20_000 },
  { signal: 'SIGKILL', waitMs: 5_000 },
] as const;

/** A quoted text of the configuration file is written as in JSON. */
const encodeConfiguration = (values: {
  storeDir: string;
  pidFile: string;
  password: string;
  port: number;
  syncIntervalMs: number | 'always';
}): string =>
  [
    `listen: "127.0.0.1:${values.port}"`,
    `server_name: "flo2-embedded"`,
    `pid_file: ${JSON.stringify(values.pidFile)}`,
    `max_payload: 8MB`,
    `authorization { user: ${USER}, password: "${values.password}" }`,
    `jetstream {`,
    `  store_dir: ${JSON.stringify(values.storeDir)}`,
    `  max_memory_store: 256MB`,
    `  max_file_store: 64GB`,
    `  sync_interval: ${values.syncIntervalMs === 'always' ? 'always' : `"${values.syncIntervalMs}ms"`}`,
    `}`,
    '',
  ].join('\n');

/** Resolves to whether a NATS server greets at this port. */
const greets = (port: number): Promise<boolean> =>
  new Promise((resolveGreeting) => {
    const socket = connect({ host: '127.0.0.1', port, timeout: 1_000 });
    const settle = (outcome: boolean): void => {
      socket.destroy();
      resolveGreeting(outcome);
    };
    socket.once('data', (data) => settle(data.toString('latin1').startsWith('INFO ')));
    socket.once('error', () => settle(false));
    socket.once('timeout', () => settle(false));
    socket.once('close', () => settle(false));
  });

const readPid = async (pidFile: string): Promise<number | null> => {
  const pid = Number(await readFile(pidFile, 'utf8').catch(() => ''));
  return Number.isSafeInteger(pid) && pid > 0 ? pid : null;
};

/**
 * Stops the nats-server that goes on after its flo2 was killed; nothing but a nats-server with this very
 * configuration file is touched. Only for who holds the directory's lock.
 */
export const stopLeftoverNatsServer = async (
  dataDir: string,
  onProgress: OnProgress = () => {},
): Promise<void> => {
  const configPath = join(resolve(dataDir), CONFIGURATION);
  const pid = await readPid(join(resolve(dataDir), PID_FILE));
  if (pid === null) return;
  const commandLine = await readCommandLine(pid);
  if (commandLine?.endsWith(` -c ${configPath}`) !== true) return;
  onProgress('Stopping the nats-server that an earlier flo2 left behind…');
  await stopProcess(pid, 'The nats-server of an earlier flo2', STOP_STEPS);
};

/**
 * Starts nats-server on 127.0.0.1 with its store in `dataDir` and waits until it greets; streams of an
 * earlier start are kept. Fetches the program first where the machine has none.
 *
 * Rejects when another live flo2 uses the directory, when no nats-server can be had, and with the end of
 * the server's log when it does not start.
 */
export const startNatsServer = async (options: NatsServerOptions): Promise<RunningNatsServer> => {
  const onProgress = options.onProgress ?? (() => {});
  const dataDir = resolve(options.dataDir);
  const configPath = join(dataDir, CONFIGURATION);
  const pidFile = join(dataDir, PID_FILE);
  const passwordPath = join(dataDir, 'password');

  const lock = await lockDataDirectory(dataDir);
  try {
    const program = await findNatsServer(options);
    await stopLeftoverNatsServer(dataDir, onProgress);

    onProgress('Starting nats-server…');
    const password = (await readPassword(passwordPath)) ?? (await createPassword(passwordPath));
    let port = 0;
    const server = await launchDetachedServer(async () => {
      port = options.port ?? (await findFreePort());
      await rm(pidFile, { force: true });
      await rm(configPath, { force: true });
      await writeFile(
        configPath,
        encodeConfiguration({
          storeDir: join(dataDir, 'store'),
          pidFile,
          password,
          port,
          syncIntervalMs: options.syncIntervalMs ?? 10_000,
        }),
        { mode: 0o600, flag: 'wx' },
      );
      return {
        name: 'nats-server',
        command: program.path,
        args: ['-c', configPath],
        logPath: join(dataDir, 'nats-server.log'),
        // A greeting alone could be another server's, which took the port before this one.
        isReady: async (pid) => (await readPid(pidFile)) === pid && (await greets(port)),
        startWaitMs: START_WAIT_MS,
        stopSteps: STOP_STEPS,
        mayRetryAfter: /address already in use/i,
        attempts: options.attempts,
        onUnexpectedExit: options.onUnexpectedExit,
      };
    });
    const stop = async (): Promise<void> => {
      await server.stop();
      await lock.release();
    };
    return { url: `nats://${USER}:${password}@127.0.0.1:${port}`, pid: server.pid, stop };
  } catch (error) {
    await lock.release();
    throw error;
  }
};
