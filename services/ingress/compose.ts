import { createConfigurationChanges } from '#nats/configuration-changes';
import { provisionStreams } from '#nats/provision';
import { createIdempotentRequests } from '#postgres/idempotent-requests';
import { createWorkSignals } from '#nats/work-signals';
import { createBatchStore } from '#postgres/batches';
import { createFileStore } from '#postgres/files';
import { createJobStore } from '#postgres/jobs';
import { createPayloadSeal } from '#postgres/payload-seal';
import { createTenantDirectory } from '#postgres/tenant-directory';
import { openBudgetGate } from '#runtime/budget-gate';
import { openNats, openPostgres, type ProcessContext } from '#runtime/connections';
import { openObjectStore } from '#runtime/object-store';
import { openPriceTerms } from '#runtime/price-terms';
import { openRateLimiter } from '#runtime/rate-limiter';
import { createSystemMint, systemClock } from '#runtime/system';
import { createEnsureWebhook } from '#runtime/ensure-webhook';
import { createVault } from '#vault/vault';
import { createWebhookEndpointStore } from '#postgres/webhook-endpoints';
import type { IngressConfiguration } from './config.ts';
import { createIngress, type IngressDeps } from './service.ts';
import type { Database } from '#postgres/database';
import type { NatsConnection } from '@nats-io/transport-node';
import type { ConfigurationChanges } from '#domain/ports';
import type { IdMint } from '#domain/mint-id';

const POOL_MAX = 8;

type Configuration = Pick<
  IngressConfiguration,
  | 'databaseUrl'
  | 'natsUrl'
  | 'masterKey'
  | 'objectStore'
  | 'allowPrivateUpstreams'
  | 'bodyLimitBytes'
  | 'requestTimeoutMs'
  | 'streamKeepAliveMs'
  | 'jobResultSeconds'
  | 'drainNoticeMs'
  | 'drainTimeoutMs'
>;

/** Null without the key under which payloads are sealed. */
const composeWork = async (
  configuration: Configuration,
  opened: {
    database: Database;
    connection: NatsConnection;
    configurationChanges: ConfigurationChanges;
    mint: IdMint;
    context: ProcessContext;
  },
): Promise<IngressDeps['work']> => {
  const { masterKey, allowPrivateUpstreams } = configuration;
  const { database, connection, configurationChanges, mint, context } = opened;
  if (masterKey === null) {
    context.logger.warn({}, 'FLO2_MASTER_KEY is not set: this ingress takes on no jobs, files or batches');
    return null;
  }
  const vault = createVault({ masterKey });
  const endpoints = createWebhookEndpointStore(database, vault);
  const seal = createPayloadSeal({ database, vault, changes: configurationChanges, clock: systemClock });
  return {
    jobs: createJobStore(database),
    files: createFileStore(
      database,
      seal,
      await openObjectStore(context, { role: 'ingress', options: configuration.objectStore }),
    ),
    batches: createBatchStore(database),
    seal,
    mint,
    signals: createWorkSignals(connection),
    ensureWebhook: createEnsureWebhook({ endpoints, allowPrivateUpstreams, mint }),
    resultSeconds: configuration.jobResultSeconds,
  };
};

/** Opens what the ingress needs. */
export const composeIngress = async (configuration: Configuration, context: ProcessContext) => {
  const role = 'ingress';
  const database = await openPostgres(context, { url: configuration.databaseUrl, role, poolMax: POOL_MAX });
  const connection = await openNats(context, { url: configuration.natsUrl, role });
  await provisionStreams(connection);
  const prices = await openPriceTerms(context, database);
  const configurationChanges = createConfigurationChanges(connection);
  const mint = createSystemMint();
  const { limiter, fleet } = await openRateLimiter(context, { connection, mint, role });
  return createIngress({
    limiter,
    fleet,
    connection,
    directory: createTenantDirectory(database),
    configurationChanges,
    idempotentRequests: createIdempotentRequests(database),
    budgets: await openBudgetGate(context, { role, database, prices, configurationChanges }),
    isListed: (provider, model) => prices.current().book.lists(provider, model, systemClock.nowMs()),
    listedModels: (provider) => prices.current().book.listedModels(provider, systemClock.nowMs()),
    ratesOf: (provider, model) => prices.current().book.ratesOf(provider, model, systemClock.nowMs()),
    clock: systemClock,
    mint,
    logger: context.logger,
    work: await composeWork(configuration, { database, connection, configurationChanges, mint, context }),
    bodyLimitBytes: configuration.bodyLimitBytes,
    defaultTimeoutMs: configuration.requestTimeoutMs,
    streamKeepAliveMs: configuration.streamKeepAliveMs,
    drainNoticeMs: configuration.drainNoticeMs,
    drainMs: configuration.drainTimeoutMs,
  });
};
