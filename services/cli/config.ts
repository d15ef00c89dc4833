import type { ConfigurationOf } from '#runtime/config';
import { SETTINGS } from '#runtime/settings';

export const CLI_SETTINGS = {
  url: SETTINGS.url,
  adminKey: SETTINGS.adminKey,
  apiKey: SETTINGS.apiKey,
};

export type CliConfiguration = ConfigurationOf<typeof CLI_SETTINGS>;
