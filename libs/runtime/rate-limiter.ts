/** Opens the limits that all processes share, for a process that asks for room under them. */
import type { NatsConnection } from '@nats-io/transport-node';
import type { IdMint } from '#domain/mint-id';
import type { FleetState } from '#domain/fleet-state';
import type { LiveWorkers } from '#domain/live-workers';
import type { RateLimiter } from '#domain/ports';
import { SharedRateLimiter } from '#domain/shared-rate-limiter';
import { openFleetStore } from '#nats/fleet-store';
import { openLimiterClientLine, watchWorkers } from '#nats/limiter-line';
import type { ProcessContext } from './connections.ts';
import { systemClock } from './system.ts';

export type OpenedRateLimiter = { limiter: RateLimiter; workers: LiveWorkers; fleet: FleetState };

const schedule = (milliseconds: number, callback: () => void): (() => void) => {
  const timer = setTimeout(callback, milliseconds);
  return () => clearTimeout(timer);
};

/** What the fleet knows of keys and buckets, without asking for room. Rejects when JetStream cannot be reached. */
export const openFleetState = (
  { logger, resources }: ProcessContext,
  { connection, role }: { connection: NatsConnection; role: string },
): Promise<FleetState> =>
  resources.open(
    `the health of keys for ${role}`,
    () =>
      openFleetStore(connection, (error) => {
        const reason = error instanceof Error ? error.message : String(error);
        logger.warn({ reason }, 'the health of keys could not be read or written');
      }),
    (fleet) => fleet.close(),
  );

/** Rejects when JetStream cannot be reached. Closed with the process's resources. */
export const openRateLimiter = async (
  context: ProcessContext,
  { connection, mint, role }: { connection: NatsConnection; mint: IdMint; role: string },
): Promise<OpenedRateLimiter> => {
  const { logger, resources } = context;
  const fleet = await openFleetState(context, { connection, role });
  return resources.open(
    `the shared limits of ${role}`,
    () => {
      const clientId = mint.mint('lic');
      const onUnreadable = (subject: string): void => logger.warn({ subject }, 'a message could not be read');
      const { workers, close: closeWatch } = watchWorkers(connection, systemClock, onUnreadable);
      const line = openLimiterClientLine(connection, clientId, {
        onNotice: (notice) => limiter.notice(notice),
        onReconnect: () => limiter.reconnected(),
        onUnreadable,
      });
      const limiter = new SharedRateLimiter({
        clientId,
        transport: line,
        workers,
        fleet,
        clock: systemClock,
        schedule,
        onKeyTrouble: (providerKeyId, { reason, code, probeAtMs }) =>
          logger.warn(
            { providerKeyId, reason, code, probeAt: new Date(probeAtMs).toISOString() },
            'a provider key is not used for now',
          ),
        onKeyRecovered: (providerKeyId) => logger.info({ providerKeyId }, 'a provider key is used again'),
      });
      limiter.start();
      return { limiter, workers, fleet, line, closeWatch };
    },
    ({ limiter, line, closeWatch }) => {
      limiter.stop();
      line.close();
      closeWatch();
    },
  );
};
