import { readFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import type { Setting } from '#runtime/config';
import { SETTINGS } from '#runtime/settings';
import { CLI_SETTINGS } from '#services/cli/config';
import { CONTROL_SETTINGS } from '#services/control/config';
import { INGRESS_SETTINGS } from '#services/ingress/config';
import { JOBS_SETTINGS } from '#services/jobs/config';
import { METERING_SETTINGS } from '#services/metering/config';
import { MIGRATE_SETTINGS } from '#services/migrate/config';
import { WORKER_SETTINGS } from '#services/worker/config';
import { ALL_SETTINGS } from './config.ts';

const ROLES: Record<string, Record<string, Setting<unknown>>> = {
  all: ALL_SETTINGS,
  ingress: INGRESS_SETTINGS,
  worker: WORKER_SETTINGS,
  jobs: JOBS_SETTINGS,
  metering: METERING_SETTINGS,
  control: CONTROL_SETTINGS,
  migrate: MIGRATE_SETTINGS,
  cli: CLI_SETTINGS,
};

/** Which roles read it; a star where they cannot do without. */
const readersOf = (variable: string): string =>
  Object.entries(ROLES)
    .flatMap(([role, settings]) => {
      const setting = Object.values(settings).find((candidate) => candidate.variable === variable);
      if (setting === undefined) return [];
      return [setting.whenUnset === null ? `${role}\\*` : role];
    })
    .join(', ');

it('docs/configuration.md lists every variable with its meaning, default and readers', () => {
  const text = readFileSync(new URL('../../docs/configuration.md', import.meta.url), 'utf8');
  const rows = text
    .split('\n')
    .filter((line) => line.startsWith('| `'))
    .map((line) =>
      line
        .slice(1, -1)
        .split(/(?<!\\)\|/)
        .map((cell) => cell.trim()),
    );
  const wanted = Object.values(SETTINGS).map((setting: Setting<unknown>) => [
    `\`${setting.variable}\``,
    setting.description,
    setting.expected,
    setting.defaultText === null ? '' : `\`${setting.defaultText}\``,
    readersOf(setting.variable),
  ]);
  expect(rows).toEqual(wanted);
});
