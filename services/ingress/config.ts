import { required, type ConfigurationOf } from '#runtime/config';
import { PROCESS_SETTINGS, SETTINGS } from '#runtime/settings';

export const INGRESS_SETTINGS = {
  ...PROCESS_SETTINGS,
  host: SETTINGS.host,
  port: SETTINGS.port,
  databaseUrl: required(SETTINGS.databaseUrl),
  natsUrl: required(SETTINGS.natsUrl),
  masterKey: SETTINGS.masterKey,
  objectStore: SETTINGS.objectStore,
  allowPrivateUpstreams: SETTINGS.allowPrivateUpstreams,
  jobResultSeconds: SETTINGS.jobResultSeconds,
  bodyLimitBytes: SETTINGS.bodyLimitBytes,
  drainNoticeMs: SETTINGS.drainNoticeMs,
  streamKeepAliveMs: SETTINGS.streamKeepAliveMs,
  requestTimeoutMs: SETTINGS.requestTimeoutMs,
};

export type IngressConfiguration = ConfigurationOf<typeof INGRESS_SETTINGS>;
