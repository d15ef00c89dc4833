/** The demo's tenant: provider keys that lead to the simulators, a route that has to fall back, an API key. */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { PROVIDER_IDS, type ProviderId } from '#contracts/vocabulary';
import type { ControlClient } from './control-client.ts';
import { writePrivateFile } from './data-directory.ts';
import { createApiKey, ensureProviderKey, ensureTenant } from './tenant-setup.ts';

export const DEMO_ROUTE = 'resilient';
/** The simulators read from a model's name how to fail. */
const FAILING_MODEL = 'gpt-4o-mini-sim-error-503';

export type DemoTenant = { apiKey: string; environmentPath: string };

const encodeEnvironment = (url: string, apiKey: string): string =>
  ['# For a shell to read with "source"; written anew at each start of the demo.']
    .concat(`FLO2_URL=${url}`, `FLO2_API_KEY=${apiKey}`, '')
    .join('\n');

const readApiKey = async (path: string): Promise<string | null> => {
  const text = await readFile(path, 'utf8').catch(() => '');
  return /^FLO2_API_KEY=(\S+)$/m.exec(text)?.[1] ?? null;
};

/** Finds what an earlier demo has left, makes the rest, and leads the keys to this start's simulators. */
export const ensureDemoTenant = async (options: {
  control: ControlClient;
  /** Whether this API key still lets its bearer in. */
  isAccepted: (apiKey: string) => Promise<boolean>;
  directory: string;
  url: string;
  /** Where a provider is simulated, and a key that it takes. */
  simulated: (provider: ProviderId) => { baseUrl: string; secret: string };
}): Promise<DemoTenant> => {
  const { control, isAccepted, directory, url, simulated } = options;
  const tenantId = await ensureTenant(control, 'demo');
  for (const provider of PROVIDER_IDS) {
    await ensureProviderKey(control, tenantId, { provider, name: provider, ...simulated(provider) });
  }
  const { baseUrl, secret } = simulated('openai');
  await ensureProviderKey(control, tenantId, {
    provider: 'openai',
    name: 'openai-failing',
    secret: `${secret}-failing`,
    models: [FAILING_MODEL],
    baseUrl,
  });
  await control.call('PUT', `/tenants/${tenantId}/routes/${DEMO_ROUTE}`, z.unknown(), {
    strategy: 'fallback',
    targets: [{ model: `openai/${FAILING_MODEL}` }, { model: 'anthropic/claude-haiku-4-5' }],
  });

  const environmentPath = join(directory, 'demo.env');
  const known = await readApiKey(environmentPath);
  const apiKey =
    known !== null && (await isAccepted(known))
      ? known
      : await createApiKey(control, tenantId, {
          name: `demo ${new Date().toISOString()}`,
          scopes: ['inference', 'batch', 'usage:read'],
        });
  await writePrivateFile(environmentPath, encodeEnvironment(url, apiKey));
  return { apiKey, environmentPath };
};
