import { openAttemptEventSource } from '#nats/attempt-event-source';
import { provisionStreams } from '#nats/provision';
import { openRecordedEvents } from '#nats/recorded-events';
import { expireLeases } from '#postgres/budget-leases';
import { createLedger } from '#postgres/ledger';
import { openNats, openPostgres, type ProcessContext } from '#runtime/connections';
import { openPriceTerms } from '#runtime/price-terms';
import { combineServices, type Service } from '#runtime/service';
import type { MeteringConfiguration } from './config.ts';
import { createLeaseExpiry } from './lease-expiry.ts';
import { createMetering, READERS } from './service.ts';
import { ledgerChores } from './ledger-chores.ts';
import { createUpkeep } from './upkeep.ts';

/** One for each reader, and as many for the chores beside them. */
const POOL_MAX = 2 * READERS;

/** Opens what metering needs. */
export const composeMetering = async (
  configuration: Pick<MeteringConfiguration, 'databaseUrl' | 'natsUrl' | 'ledgerRetentionMonths'>,
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
  const upkeep = createUpkeep(ledgerChores({ ...configuration, database, prices, logger }), logger);
  return combineServices(role, [metering, leases, upkeep]);
};
