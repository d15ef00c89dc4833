import { required, type ConfigurationOf } from '#runtime/config';
import { PROCESS_SETTINGS, SETTINGS } from '#runtime/settings';

export const METERING_SETTINGS = {
  ...PROCESS_SETTINGS,
  databaseUrl: required(SETTINGS.databaseUrl),
  natsUrl: required(SETTINGS.natsUrl),
  ledgerRetentionMonths: SETTINGS.ledgerRetentionMonths,
  /** Without it this process sends no webhooks and leaves them to others. */
  masterKey: SETTINGS.masterKey,
  allowPrivateUpstreams: SETTINGS.allowPrivateUpstreams,
  healthPort: SETTINGS.healthPort,
  host: SETTINGS.host,
};

export type MeteringConfiguration = ConfigurationOf<typeof METERING_SETTINGS>;
