/** What happens before a process does anything: its arguments and its environment are judged. */
import { describeUsage, readFlags, type Flag } from './arguments.ts';
import { ConfigurationError, readConfiguration, type SettingsOf } from './config.ts';
import { armFaultPoint } from './fault-point.ts';
import { KNOWN_VARIABLES } from './settings.ts';
import { findUnknownVariables } from './unknown-variables.ts';

export type Preparation<Configuration> = {
  name: string;
  settings: SettingsOf<Configuration>;
  /** Beside `--validate` and `--help`. */
  flags?: readonly Flag[];
  /** Throws ConfigurationError for what no single setting can tell. */
  check?: (configuration: Configuration) => void;
};

const EXIT_MISCONFIGURED = 2;

const COMMON_FLAGS: readonly Flag[] = [
  { name: 'validate', description: 'checks the configuration and exits' },
  { name: 'help', description: 'shows this and exits' },
];

type Prepared<Configuration> = { configuration: Configuration; flags: ReadonlySet<string> };

export const say = (line: string): void => void process.stderr.write(`${line}\n`);

/** Null when there is nothing to run; the exit code is set then. */
export const prepare = <Configuration extends object>(
  preparation: Preparation<Configuration>,
): Prepared<Configuration> | null => {
  const allowed = [...(preparation.flags ?? []), ...COMMON_FLAGS];
  try {
    const flags = readFlags(process.argv.slice(2), allowed);
    if (flags.has('help')) {
      process.stdout.write(`${describeUsage(`node services/${preparation.name}/main.ts`, allowed)}\n`);
      return null;
    }
    const unknown = findUnknownVariables(process.env, KNOWN_VARIABLES);
    for (const warning of unknown.warnings) say(`warning: ${warning}`);
    const configuration = readBoth(preparation, unknown.faults);
    preparation.check?.(configuration);
    armFaultPoint(process.env);
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
const readBoth = <Configuration extends object>(
  preparation: Preparation<Configuration>,
  faults: readonly string[],
): Configuration => {
  try {
    const configuration = readConfiguration(preparation.settings, process.env);
    if (faults.length === 0) return configuration;
  } catch (error) {
    if (!(error instanceof ConfigurationError)) throw error;
    throw new ConfigurationError([...error.faults, ...faults]);
  }
  throw new ConfigurationError(faults);
};
