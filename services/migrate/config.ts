import { required, type ConfigurationOf } from '#runtime/config';
import { PROCESS_SETTINGS, SETTINGS } from '#runtime/settings';

export const MIGRATE_SETTINGS = {
  logLevel: PROCESS_SETTINGS.logLevel,
  databaseUrl: required(SETTINGS.databaseUrl),
  priceChangePercentMax: SETTINGS.priceChangePercentMax,
};

export type MigrateConfiguration = ConfigurationOf<typeof MIGRATE_SETTINGS>;
