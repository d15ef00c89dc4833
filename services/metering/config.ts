import { required, type ConfigurationOf } from '#runtime/config';
import { PROCESS_SETTINGS, SETTINGS } from '#runtime/settings';

export const METERING_SETTINGS = {
  ...PROCESS_SETTINGS,
  databaseUrl: required(SETTINGS.databaseUrl),
  natsUrl: required(SETTINGS.natsUrl),
  ledgerRetentionMonths: SETTINGS.ledgerRetentionMonths,
  healthPort: SETTINGS.healthPort,
  host: SETTINGS.host,
};

export type MeteringConfiguration = ConfigurationOf<typeof METERING_SETTINGS>;
