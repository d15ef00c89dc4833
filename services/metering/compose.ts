import { openAttemptEventSource } from '#nats/attempt-event-source';
import { provisionStreams } from '#nats/provision';
import { openRecordedEvents } from '#nats/recorded-events';
import { expireLeases } from '#postgres/budget-leases';
import { createLedger } from '#postgres/ledger';
import { openNats, openPostgres, type ProcessContext } from '#runtime/connections';
import { openPrices } from '#runtime/prices';
import { combineServices, type Service } from '#runtime/service';
import type { MeteringConfiguration } from './config.ts';
import { createLeaseExpiry } from './lease-expiry.ts';
import { createMetering } from './service.ts';

const POOL_MAX = 4;

/** Opens what metering needs. */
export const composeMetering = async (
  configuration: Pick<MeteringConfiguration, 'databaseUrl' | 'natsUrl'>,
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
    prices: await openPrices(context, database),
    logger,
  });
  return combineServices(role, [metering, leases]);
};
