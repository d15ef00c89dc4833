import { spawn } from 'node:child_process';
import { open, readFile, rename } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { stopProcess, waitUntil, type StopStep } from './own-process.ts';

export type DetachedServerOptions = {
  /** As people know it, for messages. */
  name: string;
  command: string;
  args: readonly string[];
  /** Its standard output and error. What stood there is kept beside it as `….previous`. */
  logPath: string;
  isReady: (pid: number) => Promise<boolean>;
  startWaitMs: number;
  stopSteps: readonly StopStep[];
  /** What the log says when nothing is wrong but the moment: another try may succeed. */
  mayRetryAfter: RegExp;
  /** How often the start is tried. @default 8, with pauses of half a minute in all */
  attempts?: number | undefined;
  onUnexpectedExit: ((reason: string) => void) | undefined;
};

export type DetachedServer = {
  pid: number;
  /** Resolves once the server is gone; any number of calls stop it once. */
  stop: () => Promise<void>;
};

/** What a server of ours sees of the environment: flo2's own holds keys, which are not handed on. */
export const serverEnvironment = (): NodeJS.ProcessEnv => ({
  PATH: process.env['PATH'],
  LC_ALL: 'C',
  TZ: 'UTC',
});

/** The last lines of a server's log, to be shown in an error. */
const readLogTail = async (path: string): Promise<string> =>
  (await readFile(path, 'utf8').catch(() => '')).trim().split('\n').slice(-12).join('\n');

/**
 * Starts a server once and waits until it is ready. It gets a process group of its own, so that Ctrl-C
 * reaches flo2 alone, which drains first; and a file for its output, so that it outlives even a flo2 that
 * is killed and can be stopped in good order by the next.
 *
 * Rejects with the end of its log; resolves to `retry` when another try may succeed.
 */
const launchOnce = async (options: DetachedServerOptions): Promise<DetachedServer | 'retry'> => {
  const { name, command, logPath, stopSteps } = options;
  await rename(logPath, `${logPath}.previous`).catch(() => {});
  const log = await open(logPath, 'w', 0o600);
  const child = spawn(command, options.args, {
    cwd: '/',
    env: serverEnvironment(),
    detached: true,
    stdio: ['ignore', log.fd, log.fd],
  });
  await log.close();

  let state: 'starting' | 'running' | 'stopping' | 'exited' = 'starting';
  const noteExit = (): void => {
    if (state === 'running') options.onUnexpectedExit?.(`${name} ended by itself; its log is ${logPath}.`);
    state = 'exited';
  };
  child.once('exit', noteExit).once('error', noteExit);
  child.unref();
  const { pid } = child;
  if (pid === undefined) throw new Error(`${name} could not be started: ${command} cannot be run.`);

  const hasExited = (): boolean => state === 'exited';
  const inTime = await waitUntil(
    async () => hasExited() || (await options.isReady(pid)),
    options.startWaitMs,
  );
  if (inTime && !hasExited()) {
    state = 'running';
    let stopped: Promise<void> | undefined;
    const stop = (): Promise<void> => {
      if (state === 'running') state = 'stopping';
      stopped ??= stopProcess(pid, name, stopSteps);
      return stopped;
    };
    return { pid, stop };
  }

  if (!hasExited()) await stopProcess(pid, name, stopSteps);
  const tail = await readLogTail(logPath);
  if (options.mayRetryAfter.test(tail)) return 'retry';
  throw new Error(`${name} did not start${inTime ? '' : ' in time'}; its log ${logPath} ends:\n${tail}`);
};

/** With the pauses between them half a minute in all, as long as what a killed server was at may go on. */
const ATTEMPTS = 8;
/** Doubled after each. */
const RETRY_PAUSE_MS = 200;

/** `prepare` is called before each try: it chooses the port, which someone else may take before the server. */
export const launchDetachedServer = async (
  prepare: () => Promise<DetachedServerOptions>,
): Promise<DetachedServer> => {
  for (let attempt = 1; ; attempt += 1) {
    const options = await prepare();
    const launched = await launchOnce(options);
    if (launched !== 'retry') return launched;
    const attempts = options.attempts ?? ATTEMPTS;
    if (attempt >= attempts) {
      throw new Error(
        `${options.name} did not start in ${attempts} attempts; its log ${options.logPath} ends:\n${await readLogTail(options.logPath)}`,
      );
    }
    await sleep(RETRY_PAUSE_MS * 2 ** (attempt - 1));
  }
};
