/** Makes a tenant ready to be used, whatever of it an earlier start has made already. */
import { z } from 'zod';
import type { ProviderId } from '#contracts/vocabulary';
import type { ControlClient } from './control-client.ts';

const tenant = z.object({ id: z.string(), name: z.string() });
const providerKey = z.object({ id: z.string(), name: z.string(), base_url: z.string().nullish() });
const createdApiKey = z.object({ id: z.string(), key: z.string() });

export const ensureTenant = async (control: ControlClient, name: string): Promise<string> => {
  const found = await control.find('/tenants', tenant, (entry) => entry.name === name);
  return (found ?? (await control.call('POST', '/tenants', tenant, { name }))).id;
};

export type ProviderKeySetup = {
  provider: ProviderId;
  name: string;
  secret: string;
  /** Left out for the provider's own address. */
  baseUrl?: string;
  /** Left out for every model of the provider. */
  models?: readonly string[];
};

/** Resolves to the key's id. A base URL that has changed since is changed in the store too. */
export const ensureProviderKey = async (
  control: ControlClient,
  tenantId: string,
  setup: ProviderKeySetup,
): Promise<string> => {
  const path = `/tenants/${tenantId}/provider-keys`;
  const baseUrl = setup.baseUrl === undefined ? {} : { base_url: setup.baseUrl };
  const found = await control.find(path, providerKey, (entry) => entry.name === setup.name);
  if (found === null) {
    const { baseUrl: _, ...body } = setup;
    const created = await control.call('POST', path, providerKey, { ...body, ...baseUrl });
    return created.id;
  }
  if (setup.baseUrl !== undefined && found.base_url !== setup.baseUrl) {
    await control.call('PATCH', `${path}/${found.id}`, providerKey, baseUrl);
  }
  return found.id;
};

/** Resolves to the key itself, which cannot be had again. */
export const createApiKey = async (
  control: ControlClient,
  tenantId: string,
  body: { name: string; scopes: readonly string[]; team?: string },
): Promise<string> => (await control.call('POST', `/tenants/${tenantId}/api-keys`, createdApiKey, body)).key;
