/** Every role in one process, on one address. */
import type { FastifyInstance } from 'fastify';
import type { ProcessContext } from '#runtime/connections';
import { createHttpService, type HttpService } from '#runtime/http-service';
import { areReady, type Service } from '#runtime/service';
import { createSystemMint } from '#runtime/system';
import { composeControl } from '#services/control/compose';
import type { ControlConfiguration } from '#services/control/config';
import { composeIngress } from '#services/ingress/compose';
import type { IngressConfiguration } from '#services/ingress/config';
import { composeJobs } from '#services/jobs/compose';
import { composeMetering } from '#services/metering/compose';
import type { JobsConfiguration } from '#services/jobs/config';
import type { MeteringConfiguration } from '#services/metering/config';
import { composeWorker } from '#services/worker/compose';
import type { WorkerConfiguration } from '#services/worker/config';
import { registerHealth } from '#web/health';
import { createWebServer } from '#web/server';

export type EverythingConfiguration = Omit<
  ControlConfiguration &
    IngressConfiguration &
    JobsConfiguration &
    MeteringConfiguration &
    WorkerConfiguration,
  'healthPort' | 'logLevel' | 'drainNoticeMs'
>;

export type Everything = {
  /** Answers `inject` before it listens too. */
  app: FastifyInstance;
  http: HttpService;
  /** In the order of their start. */
  services: readonly Service[];
};

/** The database has to be prepared; see `prepareDatabase`. */
export const composeEverything = async (
  configuration: EverythingConfiguration,
  context: ProcessContext,
): Promise<Everything> => {
  const metering = await composeMetering(configuration, context);
  const worker = await composeWorker(configuration, context);
  const jobs = await composeJobs(configuration, context);
  // Nothing balances between processes here: a stop need not wait to be noticed.
  const ingress = await composeIngress({ ...configuration, drainNoticeMs: 0 }, context);
  const control = await composeControl(configuration, context);

  const app = createWebServer({ logger: context.logger, mint: createSystemMint() });
  control.registerRoutes(app);
  ingress.registerRoutes(app);
  registerHealth(app, { ready: () => areReady([metering, worker, jobs, ingress, control]) });
  const http = createHttpService(app, { ...configuration, logger: context.logger });
  // Stopped in reverse: open requests are finished first, while all they need still runs.
  return { app, http, services: [metering, worker, jobs, http, ingress] };
};
