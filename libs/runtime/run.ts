/** The life of a process: configuration, start, signals, drain, end. */
import { describeUsage, readFlags, type Flag } from './arguments.ts';
import { ConfigurationError, readConfiguration, type SettingsOf } from './config.ts';
import { createLogger, type Logger } from './logger.ts';
import { createResources, InterruptedError, type Resources } from './resources.ts';
import { startServices, stopServices, type Service } from './service.ts';
import { KNOWN_VARIABLES } from './settings.ts';
import { findUnknownVariables } from './unknown-variables.ts';

export type ProcessConfiguration = { logLevel: string; drainTimeoutMs: number };

export type RoleContext = {
  logger: Logger;
  /** What is opened here is closed after the services have stopped. */
  resources: Resources;
  flags: ReadonlySet<string>;
  /** Ends the process in good order, with exit code 1: something it cannot do without is gone. */
  fail: (reason: string) => void;
};

export type Role<Configuration extends ProcessConfiguration> = {
  name: string;
  settings: SettingsOf<Configuration>;
  /** Beside `--validate` and `--help`. */
  flags?: readonly Flag[];
  /** Throws ConfigurationError for what no single setting can tell. */
  check?: (configuration: Configuration) => void;
  logFormat?: 'json' | 'text';
  /** Opens what the role needs and resolves to its services in the order of their start. */
  compose: (configuration: Configuration, context: RoleContext) => Promise<readonly Service[]>;
  /** Called once all services have started. */
  onStarted?: (configuration: Configuration, context: RoleContext) => Promise<void> | void;
};

const EXIT_FAILED = 1;
const EXIT_MISCONFIGURED = 2;

const COMMON_FLAGS: readonly Flag[] = [
  { name: 'validate', description: 'checks the configuration and exits' },
  { name: 'help', description: 'shows this and exits' },
];

type Prepared<Configuration> = { configuration: Configuration; flags: ReadonlySet<string> };

const say = (line: string): void => void process.stderr.write(`${line}\n`);

/** Null when there is nothing to run; the exit code is set then. */
const prepare = <Configuration extends ProcessConfiguration>(
  role: Role<Configuration>,
): Prepared<Configuration> | null => {
  const allowed = [...(role.flags ?? []), ...COMMON_FLAGS];
  try {
    const flags = readFlags(process.argv.slice(2), allowed);
    if (flags.has('help')) {
      process.stdout.write(`${describeUsage(`node services/${role.name}/main.ts`, allowed)}\n`);
      return null;
    }
    const unknown = findUnknownVariables(process.env, KNOWN_VARIABLES);
    for (const warning of unknown.warnings) say(`warning: ${warning}`);
    const configuration = readBoth(role, unknown.faults);
    role.check?.(configuration);
    if (!flags.has('validate')) return { configuration, flags };
    process.stdout.write('configuration is valid\n');
    return null;
  } catch (error) {
    if (!(error instanceof ConfigurationError)) throw error;
    for (const fault of error.faults) say(fault);
    process.exitCode = EXIT_MISCONFIGURED;
    return null;
  }
};

/** All faults at once, so that nobody has to start again for each. */
const readBoth = <Configuration extends ProcessConfiguration>(
  role: Role<Configuration>,
  faults: readonly string[],
): Configuration => {
  try {
    const configuration = readConfiguration(role.settings, process.env);
    if (faults.length === 0) return configuration;
  } catch (error) {
    if (!(error instanceof ConfigurationError)) throw error;
    throw new ConfigurationError([...error.faults, ...faults]);
  }
  throw new ConfigurationError(faults);
};

type Ending = { exitCode: number; reason: string };

/**
 * Resolves at the first signal or failure. A second signal ends the process at once, whatever it does.
 */
const watchForEnd = (logger: Logger, onEnd: () => void) => {
  const { promise, resolve } = Promise.withResolvers<Ending>();
  const end = (ending: Ending): void => {
    resolve(ending);
    onEnd();
  };
  let signals = 0;
  const onSignal = (signal: NodeJS.Signals): void => {
    signals += 1;
    if (signals === 1) return end({ exitCode: 0, reason: signal });
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
    const services = await role.compose(configuration, context);
    await startServices(services, (service) => started.push(service));
    await role.onStarted?.(configuration, context);
    logger.info('ready');
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

  const report = await stopServices(started, configuration.drainTimeoutMs);
  if (report.late.length > 0) logger.warn({ services: report.late }, 'the time to drain was not enough');
  const failures = [...report.failed, ...(await resources.closeAll())];
  for (const { name, error } of failures) logger.error({ err: error }, `${name} did not stop well`);
  if (failures.length > 0 && exitCode === 0) exitCode = EXIT_FAILED;
  logger.info('stopped');
  process.exit(exitCode);
};
