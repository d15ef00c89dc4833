/** The life of a process: configuration, start, signals, drain, end. */
import { setTimeout as sleep } from 'node:timers/promises';
import { giveWay } from './give-way.ts';
import { createLogger, type Logger } from './logger.ts';
import { prepare, say, type Preparation } from './prepare.ts';
import { createResources, InterruptedError, type Resources } from './resources.ts';
import { areReady, startServices, stopServices, type Service } from './service.ts';

export type ProcessConfiguration = { logLevel: string; drainTimeoutMs: number };

export type RoleContext = {
  logger: Logger;
  /** What is opened here is closed after the services have stopped. */
  resources: Resources;
  flags: ReadonlySet<string>;
  /** Ends the process in good order, with exit code 1: something it cannot do without is gone. */
  fail: (reason: string) => void;
};

export type Composition = {
  /** In the order of their start. */
  services: readonly Service[];
  /** Called once all of them have started. */
  onStarted?: () => Promise<void>;
};

export type Role<Configuration extends ProcessConfiguration> = Preparation<Configuration> & {
  logFormat?: 'json' | 'text';
  /**
   * Nobody waits for it: what it does is stored and may as well be done a moment later. The process then gives way
   * to those that answer callers on the same machine.
   */
  isBackground?: boolean;
  /** Opens what the role needs. */
  compose: (configuration: Configuration, context: RoleContext) => Promise<Composition>;
};

const EXIT_FAILED = 1;
/** Sent to a whole process group, one signal comes twice: from the sender and from the parent that passes it on. */
const REPEATED_SIGNAL_MS = 1_000;
const READY_POLL_MS = 50;
const READY_POLLS_UNTIL_WARNING = 200;
/** For what follows the draining: breaking off what is left, storing the last events. */
const CLOSE_GRACE_MS = 10_000;

type Ending = { exitCode: number; reason: string };

/**
 * Resolves at the first signal or failure. A second signal, a moment later, ends the process at once,
 * whatever it does.
 */
const watchForEnd = (logger: Logger, onEnd: () => void) => {
  const { promise, resolve } = Promise.withResolvers<Ending>();
  const end = (ending: Ending): void => {
    resolve(ending);
    onEnd();
  };
  let firstSignalMs: number | null = null;
  const onSignal = (signal: NodeJS.Signals): void => {
    const nowMs = performance.now();
    firstSignalMs ??= nowMs;
    if (nowMs === firstSignalMs) return end({ exitCode: 0, reason: signal });
    if (nowMs - firstSignalMs < REPEATED_SIGNAL_MS) return;
    logger.warn({ signal }, 'stopping at once; what was in hand is left');
    process.exit(EXIT_FAILED);
  };
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, onSignal);
  for (const event of ['uncaughtException', 'unhandledRejection'] as const) {
    process.on(event, (error: unknown) => {
      logger.fatal({ err: error }, 'a fault that nothing has handled; stopping');
      end({ exitCode: EXIT_FAILED, reason: event });
    });
  }
  const fail = (reason: string): void => {
    logger.fatal(reason);
    end({ exitCode: EXIT_FAILED, reason });
  };
  return { ended: promise, fail };
};

/** Started is not yet able: a service may still be trying to reach what it works on. */
const tellWhenReady = async (
  services: readonly Service[],
  logger: Logger,
  ended: Promise<unknown>,
): Promise<void> => {
  const ending = new AbortController();
  void ended.then(() => ending.abort());
  for (let polls = 1; !ending.signal.aborted; polls += 1) {
    if (await areReady(services)) return logger.info('ready');
    if (polls === READY_POLLS_UNTIL_WARNING) logger.warn('started, but not all of it can work yet');
    await sleep(READY_POLL_MS, undefined, { ref: false });
  }
};

/**
 * Runs a role until it is told to stop, and ends the process: 0 after a stop that was asked for, 1 when
 * something failed, 2 for a wrong configuration.
 */
export const run = async <Configuration extends ProcessConfiguration>(
  role: Role<Configuration>,
): Promise<void> => {
  const prepared = prepare(role);
  if (prepared === null) return;
  const { configuration, flags } = prepared;
  if (role.isBackground === true) giveWay();
  const logger = createLogger({
    name: role.name,
    level: configuration.logLevel,
    format: role.logFormat ?? 'json',
  });
  const resources = createResources();
  const { ended, fail } = watchForEnd(logger, resources.refuse);
  const context: RoleContext = { logger, resources, flags, fail };

  let exitCode = 0;
  const started: Service[] = [];
  try {
    const { services, onStarted } = await role.compose(configuration, context);
    await startServices(services, (service) => started.push(service));
    await onStarted?.();
    void tellWhenReady(services, logger, ended);
    const ending = await ended;
    exitCode = ending.exitCode;
    logger.info({ reason: ending.reason }, 'stopping');
  } catch (error) {
    if (error instanceof InterruptedError) {
      exitCode = (await ended).exitCode;
    } else {
      exitCode = EXIT_FAILED;
      // To a person the sentence says it all; a stack would bury it.
      if (role.logFormat === 'text' && error instanceof Error) say(error.message);
      else logger.fatal({ err: error }, 'could not start');
    }
  }
  resources.refuse();

  const report = await stopServices(started, configuration.drainTimeoutMs + CLOSE_GRACE_MS);
  if (report.late.length > 0) logger.warn({ services: report.late }, 'the time to drain was not enough');
  const failures = [...report.failed, ...(await resources.closeAll())];
  for (const { name, error } of failures) logger.error({ err: error }, `${name} did not stop well`);
  if (failures.length > 0 && exitCode === 0) exitCode = EXIT_FAILED;
  if (started.length > 0) logger.info('stopped');
  process.exit(exitCode);
};

/** Does one piece of work and ends the process: 0, 1 when it failed, 2 for a wrong configuration. */
export const runOnce = async <Configuration extends { logLevel: string }>(
  task: Preparation<Configuration> & {
    work: (configuration: Configuration, logger: Logger) => Promise<void>;
  },
): Promise<void> => {
  const prepared = prepare(task);
  if (prepared === null) return;
  const logger = createLogger({ name: task.name, level: prepared.configuration.logLevel, format: 'json' });
  try {
    await task.work(prepared.configuration, logger);
  } catch (error) {
    logger.fatal({ err: error }, 'failed');
    process.exitCode = EXIT_FAILED;
  }
};
