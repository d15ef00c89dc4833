/** `npm run bench -- --only limits`: one key with limits, offered three times as much by two workers. */
import { startSimulator } from '#test/simulators/simulator';
import { startProcess } from '#test/support/flo2-process';
import { offerOverLimit, type RateLimitFigures } from '#test/support/rate-limit-load';
import { createTenant } from '#test/support/tenant';
import { startServers } from './gateways.ts';

const LIMITS = { requestsPerMinute: 600, tokensPerMinute: 100_000 };
const DURATION_MS = 180_000;
/** Above what is waited in a queue that is three times too long, so that some are refused and some wait. */
const TIMEOUT_MS = 20_000;

export const measureLimits = async (): Promise<RateLimitFigures> => {
  const servers = await startServers();
  const simulator = await startSimulator({ limits: { ...LIMITS, burstSeconds: 60 } });
  try {
    const { environment, adminKey } = servers;
    const roles = ['control', 'ingress', 'worker', 'worker'] as const;
    const processes = await Promise.all(roles.map((role) => startProcess(role, environment)));
    const [control, ingress] = processes;
    const { apiKey } = await createTenant(
      { url: control?.url ?? '', adminKey },
      { simulatorUrl: simulator.url, providerKeys: [{ provider: 'openai' }] },
    );
    const figures = await offerOverLimit({
      url: ingress?.url ?? '',
      apiKey,
      model: 'openai/gpt-4o-mini',
      simulator,
      limits: LIMITS,
      times: 3,
      durationMs: DURATION_MS,
      warmUpMs: 0,
      timeoutMs: TIMEOUT_MS,
    });
    for (const launched of processes) launched.kill('SIGTERM');
    await Promise.all(processes.map(({ exited }) => exited));
    return figures;
  } finally {
    await simulator.close();
    await servers.stop();
  }
};
