import { createConfigurationChanges } from '#nats/configuration-changes';
import { provisionStreams } from '#nats/provision';
import { createPayloadSeal } from '#postgres/payload-seal';
import { createProviderCredentials } from '#postgres/provider-credentials';
import { createWorkClaims } from '#postgres/work-claims';
import { openNats, openPostgres, type ProcessContext } from '#runtime/connections';
import { openRateLimiter } from '#runtime/rate-limiter';
import type { Service } from '#runtime/service';
import { createSystemMint, systemClock } from '#runtime/system';
import { createVault } from '#vault/vault';
import type { WorkerConfiguration } from './config.ts';
import { createWorker } from './service.ts';

const POOL_MAX = 4;

type Configuration = Pick<
  WorkerConfiguration,
  | 'databaseUrl'
  | 'natsUrl'
  | 'masterKey'
  | 'workerProviders'
  | 'workerConcurrency'
  | 'workerQueuedConcurrency'
  | 'allowPrivateUpstreams'
  | 'connectTimeoutMs'
  | 'firstByteTimeoutMs'
  | 'idleTimeoutMs'
  | 'drainTimeoutMs'
>;

/** Opens what a worker needs. */
export const composeWorker = async (
  configuration: Configuration,
  context: ProcessContext,
): Promise<Service> => {
  const role = 'worker';
  const database = await openPostgres(context, { url: configuration.databaseUrl, role, poolMax: POOL_MAX });
  const connection = await openNats(context, { url: configuration.natsUrl, role });
  await provisionStreams(connection);
  const vault = createVault({ masterKey: configuration.masterKey });
  const configurationChanges = createConfigurationChanges(connection);
  const { workerConcurrency: interactive, workerQueuedConcurrency: queued } = configuration;
  const mint = createSystemMint();
  const rateLimiter = await openRateLimiter(context, { connection, mint, role });
  return createWorker({
    rateLimiter,
    connection,
    credentials: createProviderCredentials(database, vault),
    configurationChanges,
    workClaims: createWorkClaims(database),
    payloadSeal: createPayloadSeal({ database, vault, changes: configurationChanges, clock: systemClock }),
    providers: configuration.workerProviders,
    concurrency: { interactive, async: queued, batch: queued },
    allowPrivateUpstreams: configuration.allowPrivateUpstreams,
    timeouts: {
      connectMs: configuration.connectTimeoutMs,
      firstByteMs: configuration.firstByteTimeoutMs,
      idleMs: configuration.idleTimeoutMs,
    },
    drainMs: configuration.drainTimeoutMs,
    clock: systemClock,
    mint,
    logger: context.logger,
  });
};
