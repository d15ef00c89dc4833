import { createHealthServices } from '#runtime/health-service';
import { run } from '#runtime/run';
import { composeWorker } from './compose.ts';
import { WORKER_SETTINGS } from './config.ts';

await run({
  name: 'worker',
  settings: WORKER_SETTINGS,
  compose: async (configuration, context) => {
    const worker = await composeWorker(configuration, context);
    return { services: [worker, ...createHealthServices(configuration, [worker], context.logger)] };
  },
});
