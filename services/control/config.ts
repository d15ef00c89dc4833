import { required, type ConfigurationOf } from '#runtime/config';
import { PROCESS_SETTINGS, SETTINGS } from '#runtime/settings';

export const CONTROL_SETTINGS = {
  ...PROCESS_SETTINGS,
  host: SETTINGS.host,
  port: SETTINGS.port,
  databaseUrl: required(SETTINGS.databaseUrl),
  natsUrl: required(SETTINGS.natsUrl),
  adminKey: required(SETTINGS.adminKey),
  masterKey: required(SETTINGS.masterKey),
  allowPrivateUpstreams: SETTINGS.allowPrivateUpstreams,
};

export type ControlConfiguration = ConfigurationOf<typeof CONTROL_SETTINGS>;
