import { setTimeout as sleep } from 'node:timers/promises';
import type { FleetState } from '#domain/fleet-state';
import { keyAlertOccurrence } from '#domain/key-alert';
import type { Logger } from '#domain/ports';
import type { KeyAlerts } from '#postgres/key-alerts';

export type KeyAlertDeps = {
  fleet: Pick<FleetState, 'troubledKeys'>;
  keyAlerts: KeyAlerts;
  logger: Logger;
};

const LOOK_INTERVAL_MS = 1_000;
/** All that stands is written again so often: who asks for such events later is told of it too. */
const ANEW_INTERVAL_MS = 60_000;
/** In one statement. */
const ALERTS_MAX = 500;

/**
 * Tells tenants of their keys that the fleet does not use: reads what every process sees, so that no death of
 * the one that noticed first loses it. What was written before stays written once. Part of the leader's work.
 */
export const tellOfKeys = async (deps: KeyAlertDeps, signal: AbortSignal): Promise<void> => {
  const { fleet, keyAlerts, logger } = deps;
  let told = new Set<string>();
  let anewAtMs = performance.now() + ANEW_INTERVAL_MS;
  while (!signal.aborted) {
    if (performance.now() >= anewAtMs) {
      told = new Set();
      anewAtMs = performance.now() + ANEW_INTERVAL_MS;
    }
    const fallen = fleet.troubledKeys().filter((alert) => !told.has(keyAlertOccurrence(alert)));
    try {
      for (let first = 0; first < fallen.length; first += ALERTS_MAX) {
        const alerts = fallen.slice(first, first + ALERTS_MAX);
        await keyAlerts.tell(alerts);
        for (const alert of alerts) told.add(keyAlertOccurrence(alert));
      }
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error);
      logger.warn({ reason }, 'tenants cannot be told of their keys; trying again');
    }
    await sleep(LOOK_INTERVAL_MS, undefined, { signal }).catch(() => undefined);
  }
};
