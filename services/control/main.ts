import { createHttpService } from '#runtime/http-service';
import { run } from '#runtime/run';
import { areReady } from '#runtime/service';
import { createSystemMint } from '#runtime/system';
import { registerHealth } from '#web/health';
import { createWebServer } from '#web/server';
import { composeControl } from './compose.ts';
import { CONTROL_SETTINGS } from './config.ts';

await run({
  name: 'control',
  settings: CONTROL_SETTINGS,
  compose: async (configuration, context) => {
    const control = await composeControl(configuration, context);
    const app = createWebServer({ logger: context.logger, mint: createSystemMint() });
    control.registerRoutes(app);
    registerHealth(app, { ready: () => areReady([control]) });
    return { services: [createHttpService(app, { ...configuration, logger: context.logger })] };
  },
});
