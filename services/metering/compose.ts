import { createUpstreamClient } from '#http/upstream-client';
import { openAttemptEventSource } from '#nats/attempt-event-source';
import { provisionStreams } from '#nats/provision';
import { openRecordedEvents } from '#nats/recorded-events';
import { expireLeases } from '#postgres/budget-leases';
import type { Database } from '#postgres/database';
import { createLedger } from '#postgres/ledger';
import { createWebhookDeliveries } from '#postgres/webhook-deliveries';
import { openNats, openPostgres, type ProcessContext } from '#runtime/connections';
import { openPriceTerms } from '#runtime/price-terms';
import { combineServices, type Service } from '#runtime/service';
import { createWebhookSender } from '#runtime/webhook-sender';
import { createVault } from '#vault/vault';
import type { MeteringConfiguration } from './config.ts';
import { createLeaseExpiry } from './lease-expiry.ts';
import { createMetering, READERS } from './service.ts';
import { ledgerChores } from './ledger-chores.ts';
import { createUpkeep } from './upkeep.ts';

/** One for each reader, and as many for the chores beside them. */
const POOL_MAX = 2 * READERS;

type Configuration = Pick<
  MeteringConfiguration,
  'databaseUrl' | 'natsUrl' | 'masterKey' | 'allowPrivateUpstreams' | 'ledgerRetentionMonths'
>;

/** The sender of webhooks, where this process may open their secrets. */
const composeWebhooks = async (
  { masterKey, allowPrivateUpstreams }: Configuration,
  database: Database,
  { logger, resources }: ProcessContext,
): Promise<Service[]> => {
  if (masterKey === null) return [];
  const http = await resources.open(
    'the HTTP client of webhooks',
    () => createUpstreamClient({ allowPrivate: allowPrivateUpstreams }),
    (client) => client.close(),
  );
  const vault = createVault({ masterKey });
  return [createWebhookSender({ deliveries: createWebhookDeliveries(database), vault, http, logger })];
};

/** Opens what metering needs. */
export const composeMetering = async (
  configuration: Configuration,
  context: ProcessContext,
): Promise<Service> => {
  const role = 'metering';
  const database = await openPostgres(context, { url: configuration.databaseUrl, role, poolMax: POOL_MAX });
  const connection = await openNats(context, { url: configuration.natsUrl, role });
  await provisionStreams(connection);
  const { logger } = context;
  const leases = createLeaseExpiry({
    recorded: await openRecordedEvents(connection),
    expire: (recordedUpToMs) => expireLeases(database, recordedUpToMs),
    logger,
  });
  const prices = await openPriceTerms(context, database);
  const metering = createMetering({
    source: await openAttemptEventSource(connection),
    ledger: createLedger(database),
    prices,
    logger,
  });
  const webhooks = await composeWebhooks(configuration, database, context);
  const upkeep = createUpkeep(ledgerChores({ ...configuration, database, prices, logger }), logger);
  return combineServices(role, [metering, leases, upkeep, ...webhooks]);
};
