import { setTimeout as sleep } from 'node:timers/promises';
import type { NatsConnection } from '@nats-io/transport-node';
import type { Logger } from '#domain/ports';
import { buryAbandoned } from '#nats/dead-letter-box';

const EXPIRES_MS = 2_000;
const BACK_OFF_MS = 5_000;

/** Buries what the queue itself has given up on, until the signal. Never rejects. */
export const burialLoop = async (options: {
  connection: NatsConnection;
  signal: AbortSignal;
  logger: Logger;
}): Promise<void> => {
  const { connection, signal, logger } = options;
  const onUnreadable = (): void => logger.warn({}, 'an abandoned message could not be buried');
  while (!signal.aborted) {
    try {
      const buried = await buryAbandoned(connection, { expiresMs: EXPIRES_MS, onUnreadable });
      if (buried > 0) logger.warn({ buried }, 'abandoned messages went to the dead letters');
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error);
      logger.warn({ reason }, 'the advisories of abandoned messages cannot be read; trying again');
      await sleep(BACK_OFF_MS, undefined, { signal }).catch(() => undefined);
    }
  }
};
