import { createConfigurationChanges } from '#nats/configuration-changes';
import { provisionStreams } from '#nats/provision';
import { createIdempotentRequests } from '#postgres/idempotent-requests';
import { createTenantDirectory } from '#postgres/tenant-directory';
import { openBudgetGate } from '#runtime/budget-gate';
import { openNats, openPostgres, type ProcessContext } from '#runtime/connections';
import { openPrices } from '#runtime/prices';
import { openRateLimiter } from '#runtime/rate-limiter';
import { createSystemMint, systemClock } from '#runtime/system';
import type { IngressConfiguration } from './config.ts';
import { createIngress } from './service.ts';

const POOL_MAX = 8;

type Configuration = Pick<
  IngressConfiguration,
  'databaseUrl' | 'natsUrl' | 'bodyLimitBytes' | 'requestTimeoutMs' | 'streamKeepAliveMs' | 'drainTimeoutMs'
>;

/** Opens what the ingress needs. */
export const composeIngress = async (configuration: Configuration, context: ProcessContext) => {
  const role = 'ingress';
  const database = await openPostgres(context, { url: configuration.databaseUrl, role, poolMax: POOL_MAX });
  const connection = await openNats(context, { url: configuration.natsUrl, role });
  await provisionStreams(connection);
  const prices = await openPrices(context, database);
  const configurationChanges = createConfigurationChanges(connection);
  const mint = createSystemMint();
  const { limiter } = await openRateLimiter(context, { connection, mint, role });
  return createIngress({
    limiter,
    connection,
    directory: createTenantDirectory(database),
    configurationChanges,
    idempotentRequests: createIdempotentRequests(database),
    budgets: await openBudgetGate(context, { role, database, prices, configurationChanges }),
    isListed: (provider, model) => prices.current().lists(provider, model, systemClock.nowMs()),
    listedModels: (provider) => prices.current().listedModels(provider, systemClock.nowMs()),
    ratesOf: (provider, model) => prices.current().ratesOf(provider, model, systemClock.nowMs()),
    clock: systemClock,
    mint,
    logger: context.logger,
    bodyLimitBytes: configuration.bodyLimitBytes,
    defaultTimeoutMs: configuration.requestTimeoutMs,
    streamKeepAliveMs: configuration.streamKeepAliveMs,
    drainMs: configuration.drainTimeoutMs,
  });
};
