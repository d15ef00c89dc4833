import { readConfiguration, type SettingsOf } from './config.ts';

/** The settings as this process's environment has them; throws `ConfigurationError`. */
export const readEnvironment = <Configuration extends object>(
  settings: SettingsOf<Configuration>,
): Configuration => readConfiguration(settings, process.env);
