import type { ProviderId } from '#contracts/vocabulary';
import { createUpstreamClient } from '#http/upstream-client';
import { createAttemptEventPublisher } from '#nats/attempt-event-publisher';
import { createConfigurationChanges } from '#nats/configuration-changes';
import { createDispatchPublisher } from '#nats/dispatch-queue';
import { provisionStreams } from '#nats/provision';
import { openQueueDepths } from '#nats/queue-depth';
import { createPayloadStore } from '#nats/payload-store';
import { openResultProgress, openWorkResultSource } from '#nats/work-results';
import { createWorkSignals } from '#nats/work-signals';
import { cacheDirectory } from '#domain/directory-cache';
import { createBatchStore } from '#postgres/batches';
import { createFileStore } from '#postgres/files';
import { createLeases } from '#postgres/lease';
import { createKeyAlerts } from '#postgres/key-alerts';
import { createNativeBacklog } from '#postgres/native-backlog';
import { createNativeBatchStore } from '#postgres/native-batches';
import { createPayloadSeal } from '#postgres/payload-seal';
import { createProviderCredentials } from '#postgres/provider-credentials';
import { createVault } from '#vault/vault';
import { createWebhookDeliveries } from '#postgres/webhook-deliveries';
import { createTenantDirectory } from '#postgres/tenant-directory';
import { createWorkBacklog } from '#postgres/work-backlog';
import { createWorkRecovery } from '#postgres/work-recovery';
import { createWorkResults } from '#postgres/work-results';
import { openBudgetGate } from '#runtime/budget-gate';
import { openNats, openPostgres, type ProcessContext } from '#runtime/connections';
import { openObjectStore } from '#runtime/object-store';
import { openPriceTerms } from '#runtime/price-terms';
import { openRateLimiter } from '#runtime/rate-limiter';
import { combineServices, type Service } from '#runtime/service';
import { createSystemMint, systemClock } from '#runtime/system';
import { createWebhookSender } from '#runtime/webhook-sender';
import type { JobsConfiguration } from './config.ts';
import { createJobs } from './service.ts';

/** Half for the work itself, the rest for what is read and noted beside it. */
const POOL_MAX = 8;

/** Opens what the jobs role needs. */
export const composeJobs = async (
  configuration: Pick<
    JobsConfiguration,
    | 'databaseUrl'
    | 'natsUrl'
    | 'masterKey'
    | 'objectStore'
    | 'allowPrivateUpstreams'
    | 'connectTimeoutMs'
    | 'nativeBatchPollMs'
  >,
  context: ProcessContext,
): Promise<Service> => {
  const role = 'jobs';
  const { logger } = context;
  const database = await openPostgres(context, { url: configuration.databaseUrl, role, poolMax: POOL_MAX });
  const connection = await openNats(context, { url: configuration.natsUrl, role });
  await provisionStreams(connection);
  const prices = await openPriceTerms(context, database);
  const configurationChanges = createConfigurationChanges(connection);
  const mint = createSystemMint();
  const { limiter, fleet } = await openRateLimiter(context, { connection, mint, role });
  const signals = createWorkSignals(connection);
  const directory = cacheDirectory(createTenantDirectory(database), configurationChanges, systemClock);
  const isListed = (provider: ProviderId, model: string): boolean =>
    prices.current().book.lists(provider, model, systemClock.nowMs());
  const vault = createVault({ masterKey: configuration.masterKey });
  const seal = createPayloadSeal({ database, vault, changes: configurationChanges, clock: systemClock });
  const common = { directory, isListed, clock: systemClock, random: Math.random, logger };
  const budgets = await openBudgetGate(context, { role, database, prices, configurationChanges });
  const results = createWorkResults(database);
  const recovery = createWorkRecovery(database);
  const events = createAttemptEventPublisher(connection, logger);
  const upstream = await context.resources.open(
    'calls to batch APIs and webhooks',
    () =>
      createUpstreamClient({
        allowPrivate: configuration.allowPrivateUpstreams,
        connectTimeoutMs: configuration.connectTimeoutMs,
      }),
    (client) => client.close(),
  );
  const jobs = createJobs({
    leases: createLeases(database),
    signals,
    batches: {
      ...common,
      batches: createBatchStore(database),
      files: createFileStore(
        database,
        seal,
        await openObjectStore(context, { role, options: configuration.objectStore }),
      ),
      seal,
      signals,
      mint,
      ratesOf: (provider, model) => prices.current().book.ratesOf(provider, model, systemClock.nowMs()),
    },
    native: {
      ...common,
      store: createNativeBatchStore(database),
      backlog: createNativeBacklog(database),
      credentials: createProviderCredentials(database, vault),
      pollMs: configuration.nativeBatchPollMs,
      budgets,
      results,
      recovery,
      events,
      upstream,
      seal,
      signals,
      mint,
    },
    keyAlerts: { fleet, keyAlerts: createKeyAlerts(database), logger },
    feeder: {
      ...common,
      backlog: createWorkBacklog(database),
      depths: await openQueueDepths(connection),
      queue: createDispatchPublisher(connection),
      budgets,
      limiter,
      fleet,
      ratesOf: (provider, model) => prices.current().book.ratesOf(provider, model, systemClock.nowMs()),
    },
    results,
    source: await openWorkResultSource({
      connection,
      payloads: createPayloadStore(connection),
      clock: systemClock,
      onUnreadable: (reason) => logger.error({ reason }, 'a result was unreadable'),
    }),
    recovery,
    progress: await openResultProgress(connection),
    events,
    clock: systemClock,
    mint,
    logger,
  });
  // Those of every role: each writes what is to be told into the table that this one reads.
  const webhooks = createWebhookSender({
    deliveries: createWebhookDeliveries(database),
    vault,
    http: upstream,
    logger,
  });
  return combineServices(role, [jobs, webhooks]);
};
