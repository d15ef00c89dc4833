import { spawn, type ChildProcess } from 'node:child_process';
import { fileURLToPath } from 'node:url';

export type RoleName = 'ingress' | 'worker' | 'jobs' | 'metering' | 'control' | 'migrate' | 'all';

export type Exit = { code: number | null; signal: NodeJS.Signals | null };

export type LaunchedProcess = {
  pid: number;
  kill: (signal: NodeJS.Signals) => void;
  exited: Promise<Exit>;
  /** Standard output and error so far. */
  output: () => string;
  /** Resolves with the first match in the output; rejects when the process ends without one. */
  waitFor: (pattern: RegExp) => Promise<RegExpExecArray>;
};

export type StartedProcess = LaunchedProcess & {
  /** Null for a role that serves no HTTP. */
  url: string | null;
};

const ROOT = fileURLToPath(new URL('../..', import.meta.url));

/** As `infra/Dockerfile` has it. */
const YOUNG_GENERATION = '--max-semi-space-size=16';

const living = new Set<ChildProcess>();

/** Ends every process that was launched here, without a word. */
export const killLaunched = (): void => {
  for (const child of living) child.kill('SIGKILL');
};
process.once('exit', killLaunched);

/** Runs a role's main with nothing of this process's environment but what programs need to run at all. */
export const launchProcess = (
  role: RoleName,
  env: Readonly<Record<string, string>>,
  args: readonly string[] = [],
): LaunchedProcess => {
  const child = spawn(process.execPath, [YOUNG_GENERATION, `services/${role}/main.ts`, ...args], {
    cwd: ROOT,
    env: { PATH: process.env['PATH'], HOME: process.env['HOME'], ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const { pid } = child;
  if (pid === undefined) throw new Error(`services/${role}/main.ts could not be started`);
  living.add(child);

  let output = '';
  const watchers = new Set<() => void>();
  const notify = (): void => {
    for (const watcher of watchers) watcher();
  };
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (text: string) => {
      output += text;
      notify();
    });
  }
  let exit: Exit | null = null;
  const exited = new Promise<Exit>((resolve) => {
    child.once('close', (code, signal) => {
      living.delete(child);
      exit = { code, signal };
      resolve(exit);
      notify();
    });
  });

  return {
    pid,
    kill: (signal) => void child.kill(signal),
    exited,
    output: () => output,
    waitFor: (pattern) =>
      new Promise((resolve, reject) => {
        const look = (): void => {
          const match = pattern.exec(output);
          if (match === null && exit === null) return;
          watchers.delete(look);
          if (match !== null) resolve(match);
          else reject(new Error(`${role} ended (${JSON.stringify(exit)}) without ${pattern}:\n${output}`));
        };
        watchers.add(look);
        look();
      }),
  };
};

/** Starts a role and waits until it says that it is ready; rejects with its output when it ends before. */
export const startProcess = async (
  role: RoleName,
  env: Readonly<Record<string, string>>,
  args: readonly string[] = [],
): Promise<StartedProcess> => {
  const launched = launchProcess(
    role,
    { FLO2_PORT: '0', ...env, LOG_LEVEL: env['LOG_LEVEL'] ?? 'info' },
    args,
  );
  await launched.waitFor(role === 'all' ? / info {2}ready\n/ : /"msg":"ready"/);
  const listening = /"url":"(http[^"]+)"|flo2 is serving at (\S+)/.exec(launched.output());
  return { ...launched, url: listening?.[1] ?? listening?.[2] ?? null };
};
