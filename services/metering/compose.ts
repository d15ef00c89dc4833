import { createUpstreamClient } from '#http/upstream-client';
import { openAttemptEventSource } from '#nats/attempt-event-source';
import { provisionStreams } from '#nats/provision';
import { openRecordedEvents } from '#nats/recorded-events';
import { expireLeases } from '#postgres/budget-leases';
import type { Database } from '#postgres/database';
import { createLedger } from '#postgres/ledger';
import { createLedgerUpkeep } from '#postgres/ledger-upkeep';
import { createWebhookDeliveries } from '#postgres/webhook-deliveries';
import { openNats, openPostgres, type ProcessContext } from '#runtime/connections';
import { openPriceTerms } from '#runtime/price-terms';
import { combineServices, type Service } from '#runtime/service';
import { createWebhookSender } from '#runtime/webhook-sender';
import { createVault } from '#vault/vault';
import type { MeteringConfiguration } from './config.ts';
import { createLeaseExpiry } from './lease-expiry.ts';
import { createMetering } from './service.ts';
import { createUpkeep, type Chore } from './upkeep.ts';

const POOL_MAX = 4;
const HOUR_MS = 3_600_000;

type Configuration = Pick<
  MeteringConfiguration,
  'databaseUrl' | 'natsUrl' | 'masterKey' | 'allowPrivateUpstreams' | 'ledgerRetentionMonths'
>;

/** What keeps the ledger going beside the recording. */
const choresOf = (database: Database, { ledgerRetentionMonths }: Configuration): Chore[] => {
  const upkeep = createLedgerUpkeep(database);
  return [
    {
      name: 'months',
      everyMs: HOUR_MS,
      run: async () => {
        await upkeep.prepareMonths();
        if (ledgerRetentionMonths > 0) await upkeep.dropOldMonths(ledgerRetentionMonths);
      },
    },
  ];
};

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
  const metering = createMetering({
    source: await openAttemptEventSource(connection),
    ledger: createLedger(database),
    prices: await openPriceTerms(context, database),
    logger,
  });
  const webhooks = await composeWebhooks(configuration, database, context);
  const upkeep = createUpkeep(choresOf(database, configuration), logger);
  return combineServices(role, [metering, leases, upkeep, ...webhooks]);
};
