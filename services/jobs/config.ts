import { required, type ConfigurationOf } from '#runtime/config';
import { PROCESS_SETTINGS, SETTINGS } from '#runtime/settings';

export const JOBS_SETTINGS = {
  ...PROCESS_SETTINGS,
  databaseUrl: required(SETTINGS.databaseUrl),
  natsUrl: required(SETTINGS.natsUrl),
  masterKey: required(SETTINGS.masterKey),
  allowPrivateUpstreams: SETTINGS.allowPrivateUpstreams,
  connectTimeoutMs: SETTINGS.connectTimeoutMs,
  nativeBatchPollMs: SETTINGS.nativeBatchPollMs,
  objectStore: SETTINGS.objectStore,
  host: SETTINGS.host,
  healthPort: SETTINGS.healthPort,
};

export type JobsConfiguration = ConfigurationOf<typeof JOBS_SETTINGS>;
