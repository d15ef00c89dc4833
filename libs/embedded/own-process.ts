/** What flo2 must know of a process before it may wait for it or stop it. */
import { execFile } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';

const POLL_MS = 20;

/** Polls until `holds` is true; resolves to whether that happened within `timeoutMs`. */
export const waitUntil = async (
  holds: () => boolean | Promise<boolean>,
  timeoutMs: number,
): Promise<boolean> => {
  const deadlineMs = performance.now() + timeoutMs;
  for (;;) {
    if (await holds()) return true;
    if (performance.now() > deadlineMs) return false;
    await sleep(POLL_MS);
  }
};

const signal = (pid: number, name: NodeJS.Signals | 0): 'sent' | 'gone' | 'forbidden' => {
  try {
    process.kill(pid, name);
    return 'sent';
  } catch (error) {
    return error instanceof Error && 'code' in error && error.code === 'EPERM' ? 'forbidden' : 'gone';
  }
};

/** A dead child that nobody has waited for still has its process id: it counts as gone. */
const isZombie = async (pid: number): Promise<boolean> => {
  const stat = await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => '');
  return stat.slice(stat.lastIndexOf(')') + 2).startsWith('Z');
};

export const isRunning = async (pid: number): Promise<boolean> =>
  signal(pid, 0) !== 'gone' && !(await isZombie(pid));

const runPs = async (pid: number, column: string): Promise<string | null> => {
  try {
    const { stdout } = await promisify(execFile)('ps', ['-o', `${column}=`, '-p', String(pid)]);
    return stdout.trim();
  } catch {
    return null;
  }
};

/** The command line, its arguments joined by spaces; null when there is no such process. */
export const readCommandLine = async (pid: number): Promise<string | null> => {
  if (process.platform !== 'linux') return runPs(pid, 'command');
  const commandLine = await readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => null);
  return commandLine === null ? null : commandLine.split('\0').join(' ').trim();
};

/**
 * A text that no other process ever has, though process ids are given again: on Linux the boot and the
 * clock tick at which the process started. Null when there is no such process; rejects where the system does not say.
 */
export const readProcessIdentity = async (pid: number): Promise<string | null> => {
  if (process.platform !== 'linux') return runPs(pid, 'lstart');
  try {
    const stat = await readFile(`/proc/${pid}/stat`, 'utf8');
    const boot = await readFile('/proc/sys/kernel/random/boot_id', 'utf8');
    // The second field is the program's name in brackets and may hold spaces; the start is the 22nd.
    const startTick = stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19];
    return startTick === undefined ? null : `${boot.trim()}/${startTick}`;
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? error.code : undefined;
    // That it could not be looked at, for want of file descriptors say, does not mean that it is gone.
    if (code !== 'ENOENT' && code !== 'ESRCH') throw error;
    return null;
  }
};

export type StopStep = { signal: NodeJS.Signals; waitMs: number };

/**
 * Sends the signals one after another, each with its time to work, until the process is gone.
 * Rejects when it may not be signalled or outlives the last one.
 */
export const stopProcess = async (
  pid: number,
  program: string,
  steps: readonly StopStep[],
): Promise<void> => {
  for (const step of steps) {
    if (signal(pid, step.signal) === 'forbidden') {
      throw new Error(
        `${program} (process ${pid}) belongs to another user and cannot be stopped: stop it as that user, then try again.`,
      );
    }
    if (await waitUntil(async () => !(await isRunning(pid)), step.waitMs)) return;
  }
  throw new Error(`${program} (process ${pid}) does not stop: end it with "kill -9 ${pid}", then try again.`);
};
