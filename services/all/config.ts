import { ConfigurationError, type ConfigurationOf } from '#runtime/config';
import { SETTINGS } from '#runtime/settings';

const { healthPort: _, drainNoticeMs: _drainNoticeMs, url: _url, apiKey: _apiKey, ...settings } = SETTINGS;

export const ALL_SETTINGS = settings;

export type AllConfiguration = ConfigurationOf<typeof ALL_SETTINGS>;

/** What belongs together must be set together. Throws ConfigurationError. */
export const checkAll = (configuration: AllConfiguration): void => {
  // A data directory may be lost without the database, and nobody could open its provider keys any more.
  if (configuration.databaseUrl !== null && configuration.masterKey === null) {
    throw new ConfigurationError([
      `FLO2_MASTER_KEY is not set; a Postgres of your own (DATABASE_URL) needs it beside it, expected ${SETTINGS.masterKey.expected}.`,
    ]);
  }
};
