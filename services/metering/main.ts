import { createHealthServices } from '#runtime/health-service';
import { run } from '#runtime/run';
import { composeMetering } from './compose.ts';
import { METERING_SETTINGS } from './config.ts';

await run({
  name: 'metering',
  isBackground: true,
  settings: METERING_SETTINGS,
  compose: async (configuration, context) => {
    const metering = await composeMetering(configuration, context);
    return { services: [metering, ...createHealthServices(configuration, [metering], context.logger)] };
  },
});
