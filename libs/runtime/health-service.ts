import { registerHealth } from '#web/health';
import { createWebServer } from '#web/server';
import { createHttpService } from './http-service.ts';
import type { Logger } from './logger.ts';
import { areReady, type Service } from './service.ts';
import { createSystemMint } from './system.ts';

/** `/healthz` and `/readyz` for a process that serves no other HTTP; nothing where no port is given. */
export const createHealthServices = (
  configuration: { host: string; healthPort: number | null },
  services: readonly Service[],
  logger: Logger,
): Service[] => {
  const { host, healthPort } = configuration;
  if (healthPort === null) return [];
  const app = createWebServer({ logger, mint: createSystemMint() });
  registerHealth(app, { ready: () => areReady(services) });
  const http = createHttpService(app, { host, port: healthPort, logger });
  return [{ ...http, name: 'health' }];
};
