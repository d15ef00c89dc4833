import type { FastifyInstance } from 'fastify';
import { createConfigurationChanges } from '#nats/configuration-changes';
import { createUpstreamClient } from '#http/upstream-client';
import { createDeadLetterStore } from '#nats/dead-letter-store';
import { createModelListStore } from '#postgres/model-lists';
import { createProviderCredentials } from '#postgres/provider-credentials';
import { openNats, openPostgres, type ProcessContext } from '#runtime/connections';
import { openFleetState } from '#runtime/rate-limiter';
import { createSystemMint, systemClock } from '#runtime/system';
import { createVault } from '#vault/vault';
import type { ControlConfiguration } from './config.ts';
import { openModelLists } from './model-lists.ts';
import { registerControlPlane } from './service.ts';

const POOL_MAX = 8;

type Configuration = Pick<
  ControlConfiguration,
  'databaseUrl' | 'natsUrl' | 'adminKey' | 'masterKey' | 'allowPrivateUpstreams'
>;

export type Control = {
  registerRoutes: (app: FastifyInstance) => void;
  /** Whether the database answers. */
  ready: () => Promise<boolean>;
};

/** Opens what the control plane needs. */
export const composeControl = async (
  configuration: Configuration,
  context: ProcessContext,
): Promise<Control> => {
  const role = 'control';
  const database = await openPostgres(context, { url: configuration.databaseUrl, role, poolMax: POOL_MAX });
  const connection = await openNats(context, { url: configuration.natsUrl, role });
  const vault = createVault({ masterKey: configuration.masterKey });
  const configurationChanges = createConfigurationChanges(connection);
  const upstream = await context.resources.open(
    'the calls for lists of models',
    () => createUpstreamClient({ allowPrivate: configuration.allowPrivateUpstreams }),
    (client) => client.close(),
  );
  const modelLists = await context.resources.open(
    'the lists of models',
    () =>
      openModelLists({
        store: createModelListStore(database),
        credentials: createProviderCredentials(database, vault),
        upstream,
        configurationChanges,
        logger: context.logger,
      }),
    (lists) => lists.stop(),
  );
  const keyHealth = await openFleetState(context, { connection, role });
  return {
    registerRoutes: (app) =>
      registerControlPlane(app, {
        database,
        vault,
        configurationChanges,
        modelLists,
        keyHealth,
        deadLetters: createDeadLetterStore(connection),
        adminKey: configuration.adminKey,
        allowPrivateUpstreams: configuration.allowPrivateUpstreams,
        clock: systemClock,
        mint: createSystemMint(),
      }),
    ready: async () => {
      await database.pool.query('select 1');
      return true;
    },
  };
};
