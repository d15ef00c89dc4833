import { required, type ConfigurationOf } from '#runtime/config';
import { PROCESS_SETTINGS, SETTINGS } from '#runtime/settings';

export const WORKER_SETTINGS = {
  ...PROCESS_SETTINGS,
  databaseUrl: required(SETTINGS.databaseUrl),
  natsUrl: required(SETTINGS.natsUrl),
  masterKey: required(SETTINGS.masterKey),
  workerProviders: SETTINGS.workerProviders,
  workerConcurrency: SETTINGS.workerConcurrency,
  workerQueuedConcurrency: SETTINGS.workerQueuedConcurrency,
  connectTimeoutMs: SETTINGS.connectTimeoutMs,
  firstByteTimeoutMs: SETTINGS.firstByteTimeoutMs,
  idleTimeoutMs: SETTINGS.idleTimeoutMs,
  allowPrivateUpstreams: SETTINGS.allowPrivateUpstreams,
  host: SETTINGS.host,
  healthPort: SETTINGS.healthPort,
};

export type WorkerConfiguration = ConfigurationOf<typeof WORKER_SETTINGS>;
