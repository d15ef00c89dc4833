import { createHealthServices } from '#runtime/health-service';
import { run } from '#runtime/run';
import { composeJobs } from './compose.ts';
import { JOBS_SETTINGS } from './config.ts';

await run({
  name: 'jobs',
  isBackground: true,
  settings: JOBS_SETTINGS,
  compose: async (configuration, context) => {
    const jobs = await composeJobs(configuration, context);
    return { services: [jobs, ...createHealthServices(configuration, [jobs], context.logger)] };
  },
});
