/** Takes over the provider keys found in the environment of the first start. */
import type { ProviderId } from '#contracts/vocabulary';
import type { AllConfiguration } from './config.ts';
import type { ControlClient } from './control-client.ts';
import type { DataDirectory } from './data-directory.ts';
import { createApiKey, ensureProviderKey, ensureTenant } from './tenant-setup.ts';

const IMPORTED = 'provider-keys-imported';

type ImportableKeys = Pick<
  AllConfiguration,
  'openaiApiKey' | 'anthropicApiKey' | 'geminiApiKey' | 'mistralApiKey' | 'groqApiKey' | 'openrouterApiKey'
>;

export type FirstStart = {
  /** Null when nothing was imported. */
  imported: { apiKey: string; providers: readonly ProviderId[] } | null;
  /** Sentences about what was left alone. */
  remarks: readonly string[];
};

const listKeys = (configuration: ImportableKeys): { provider: ProviderId; secret: string | null }[] => [
  { provider: 'openai', secret: configuration.openaiApiKey },
  { provider: 'anthropic', secret: configuration.anthropicApiKey },
  { provider: 'google', secret: configuration.geminiApiKey },
  { provider: 'mistral', secret: configuration.mistralApiKey },
  { provider: 'groq', secret: configuration.groqApiKey },
  { provider: 'openrouter', secret: configuration.openrouterApiKey },
];

/** Imports once for a data directory; an import that was cut off is completed by the next start. */
export const importProviderKeys = async (
  configuration: ImportableKeys,
  control: ControlClient,
  directory: Pick<DataDirectory, 'isDone' | 'noteDone'>,
): Promise<FirstStart> => {
  const remarks: string[] = [];
  const usable = listKeys(configuration).flatMap(({ provider, secret }) =>
    secret === null ? [] : [{ provider, secret }],
  );
  if (usable.length === 0) return { imported: null, remarks };
  if (await directory.isDone(IMPORTED)) {
    remarks.push('Provider keys of the environment were imported by an earlier start; these are left alone.');
    return { imported: null, remarks };
  }

  const tenantId = await ensureTenant(control, 'default');
  for (const { provider, secret } of usable) {
    await ensureProviderKey(control, tenantId, { provider, name: provider, secret });
  }
  const apiKey = await createApiKey(control, tenantId, {
    name: 'first key',
    scopes: ['inference', 'batch', 'usage:read'],
  });
  await directory.noteDone(IMPORTED);
  return { imported: { apiKey, providers: usable.map(({ provider }) => provider) }, remarks };
};
