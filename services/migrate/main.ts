import { runOnce } from '#runtime/run';
import { MIGRATE_SETTINGS } from './config.ts';
import { prepareDatabase } from './prepare-database.ts';

await runOnce({
  name: 'migrate',
  settings: MIGRATE_SETTINGS,
  work: (configuration, logger) => prepareDatabase(configuration, logger),
});
