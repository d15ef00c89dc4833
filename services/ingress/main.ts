import { createHttpService } from '#runtime/http-service';
import { run } from '#runtime/run';
import { areReady } from '#runtime/service';
import { createSystemMint } from '#runtime/system';
import { registerHealth } from '#web/health';
import { createWebServer } from '#web/server';
import { composeIngress } from './compose.ts';
import { INGRESS_SETTINGS } from './config.ts';

await run({
  name: 'ingress',
  settings: INGRESS_SETTINGS,
  compose: async (configuration, context) => {
    const ingress = await composeIngress(configuration, context);
    const app = createWebServer({ logger: context.logger, mint: createSystemMint() });
    ingress.registerRoutes(app);
    registerHealth(app, { ready: () => areReady([ingress]) });
    // Stopped in reverse: open requests are finished before their connections are closed.
    return { services: [createHttpService(app, { ...configuration, logger: context.logger }), ingress] };
  },
});
