import type { FastifyInstance } from 'fastify';
import type { RoleContext } from '#runtime/run';
import type { ControlClient } from './control-client.ts';
import { sendDemoTraffic } from './demo-traffic.ts';
import { ensureDemoTenant } from './demo-tenant.ts';
import { describeDemo } from './greeting.ts';

type DemoOptions = { url: string; control: ControlClient; app: FastifyInstance; directory: string };

/** Starts the simulators and the traffic; resolves to what to tell the user. */
export const startDemo = async (
  { url, control, app, directory }: DemoOptions,
  { resources, logger }: RoleContext,
): Promise<string> => {
  // Loaded for the demo only: the simulators are no part of what serves.
  const { startSimulator } = await import('#test/simulators/simulator');
  const { simulatedBaseUrl, simulatedSecret } = await import('#test/simulators/base-urls');
  const simulator = await resources.open(
    'the simulated providers',
    () => startSimulator({ logLimit: 1_000 }),
    (running) => running.close(),
  );
  const isAccepted = async (apiKey: string): Promise<boolean> => {
    const headers = { authorization: `Bearer ${apiKey}` };
    return (await app.inject({ method: 'GET', url: '/v1/models', headers })).statusCode === 200;
  };
  const tenant = await ensureDemoTenant({
    control,
    isAccepted,
    directory,
    url,
    simulated: (provider) => ({
      baseUrl: simulatedBaseUrl(simulator.url, provider),
      secret: simulatedSecret(provider, `demo-${provider}`),
    }),
  });
  void sendDemoTraffic(url, tenant.apiKey).then(
    ({ sent, answered }) => logger.info({ sent, answered }, 'the demo has sent its traffic'),
    (error: unknown) => logger.warn({ err: error }, 'the demo could not send its traffic'),
  );
  return describeDemo(tenant.environmentPath);
};
