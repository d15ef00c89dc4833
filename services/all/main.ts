/** `npm start`: every role in one process, with a Postgres and a nats-server of its own where none is given. */
import { join } from 'node:path';
import { z } from 'zod';
import { probeAddress } from '#runtime/http-service';
import { run, type Composition, type RoleContext } from '#runtime/run';
import { prepareDatabase } from '#services/migrate/prepare-database';
import { composeEverything } from './compose.ts';
import { ALL_SETTINGS, checkAll, type AllConfiguration } from './config.ts';
import { createControlClient, type ControlClient } from './control-client.ts';
import { openDataDirectory } from './data-directory.ts';
import { startDemo } from './demo.ts';
import { startMissingServers } from './embedded.ts';
import { importProviderKeys } from './first-start.ts';
import { describeFirstSteps, describeImport, describeNewAdminKey } from './greeting.ts';

const show = (text: string): void => void process.stdout.write(`${text}\n`);

const isEmpty = async (control: ControlClient): Promise<boolean> =>
  (await control.find('/tenants', z.unknown(), () => true)) === null;

const compose = async (configuration: AllConfiguration, context: RoleContext): Promise<Composition> => {
  const isDemo = context.flags.has('demo');
  const { host, port, dataDir } = configuration;
  const directory = await openDataDirectory(isDemo ? join(dataDir, 'demo') : dataDir, context.resources);
  await probeAddress({ host, port });
  const storedAdminKey = configuration.adminKey === null ? await directory.adminKey() : null;
  const adminKey = configuration.adminKey ?? storedAdminKey?.value ?? '';
  const masterKey = configuration.masterKey ?? (await directory.masterKey()).value;
  const urls = await startMissingServers(
    { ...configuration, directory: directory.path, onProgress: show },
    context,
  );
  show('Preparing the database…');
  await prepareDatabase({ ...configuration, ...urls }, context.logger);
  show('Starting ingress, workers, metering and control plane…');
  const everything = await composeEverything(
    {
      ...configuration,
      ...urls,
      adminKey,
      masterKey,
      // The simulators are on this machine.
      allowPrivateUpstreams: configuration.allowPrivateUpstreams || isDemo,
    },
    context,
  );
  const { app, http, services } = everything;

  const greet = async (): Promise<void> => {
    const url = http.url();
    const control = createControlClient(app, adminKey);
    show(`\nflo2 is serving at ${url}\n`);
    if (storedAdminKey?.isNew === true) show(`${describeNewAdminKey(storedAdminKey)}\n`);
    if (isDemo) {
      show(`${await startDemo({ url, control, app, directory: directory.path }, context)}\n`);
      return;
    }
    const { imported, remarks } = await importProviderKeys(configuration, control, directory);
    for (const remark of remarks) show(remark);
    if (imported !== null) show(`${describeImport(url, imported.apiKey, imported.providers)}\n`);
    else if (await isEmpty(control)) show(`${describeFirstSteps(url, storedAdminKey?.path ?? null)}\n`);
  };
  return { services, onStarted: greet };
};

await run({
  name: 'all',
  settings: ALL_SETTINGS,
  check: checkAll,
  flags: [{ name: 'demo', description: 'runs on simulated providers, with data of its own' }],
  logFormat: 'text',
  compose,
});
