import { randomBytes } from 'node:crypto';
import { z } from 'zod';
import { simulatedBaseUrl, simulatedSecret, type SimulatedProviderId } from '#test/simulators/base-urls';
import type { CompatibleDialect, ProviderId, RouteStrategy } from '#contracts/vocabulary';

export type TestProviderKey = {
  provider: ProviderId;
  /** Which compatible server it leads to; the simulated one of that name. */
  dialect?: Exclude<CompatibleDialect, 'openai'>;
  /** @default the provider's name, with a number where there are several */
  name?: string;
  /** @default a fresh one that the simulators take */
  secret?: string;
  /** @default the simulator's address for the provider */
  baseUrl?: string;
  models?: readonly string[];
};

export type TestRoute = {
  strategy?: RouteStrategy;
  targets: readonly { model: string; weight?: number; provider_key?: string }[];
  max_attempts?: number;
  timeout_ms?: number;
};

export type TenantOptions = {
  /** As `startSimulator` gives it. */
  simulatorUrl: string;
  /** @default one of OpenAI and one of Anthropic, in this order */
  providerKeys?: readonly TestProviderKey[];
  routes?: Readonly<Record<string, TestRoute>>;
  /** More fields of the API key's body. */
  apiKey?: Readonly<Record<string, unknown>>;
};

export type TestTenant = {
  tenantId: string;
  apiKey: string;
  apiKeyId: string;
  /** In the order of `providerKeys`. */
  providerKeyIds: readonly string[];
  /** What the simulators' log shows as credentials. */
  providerSecrets: readonly string[];
};

const created = z.looseObject({ id: z.string() });

/** Calls the control plane; rejects with its answer where that is no success. */
export const callControl = async (
  flo2: { url: string; adminKey: string },
  method: string,
  path: string,
  body?: object,
): Promise<unknown> => {
  const answer = await fetch(`${flo2.url}/api/v1${path}`, {
    method,
    headers: { authorization: `Bearer ${flo2.adminKey}`, 'content-type': 'application/json' },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  });
  const text = await answer.text();
  if (!answer.ok) throw new Error(`${method} ${path} was answered ${answer.status}: ${text}`);
  return text === '' ? null : JSON.parse(text);
};

const encodeProviderKey = (key: TestProviderKey, index: number, simulatorUrl: string) => {
  const random = randomBytes(12).toString('hex');
  const simulated: SimulatedProviderId = key.dialect ?? key.provider;
  return {
    provider: key.provider,
    name: key.name ?? (index === 0 ? key.provider : `${key.provider} ${index}`),
    secret: key.secret ?? simulatedSecret(simulated, random),
    base_url: key.baseUrl ?? simulatedBaseUrl(simulatorUrl, simulated),
    ...(key.models === undefined ? {} : { models: key.models }),
    ...(key.dialect === undefined ? {} : { dialect: key.dialect }),
  };
};

/** A tenant of its own, ready to be used: provider keys that lead to the simulators, routes, an API key. */
export const createTenant = async (
  flo2: { url: string; adminKey: string },
  options: TenantOptions,
): Promise<TestTenant> => {
  const name = `test ${randomBytes(6).toString('hex')}`;
  const tenantId = created.parse(await callControl(flo2, 'POST', '/tenants', { name })).id;
  const providerKeys = options.providerKeys ?? [{ provider: 'openai' }, { provider: 'anthropic' }];
  const bodies = providerKeys.map((key, index) => encodeProviderKey(key, index, options.simulatorUrl));
  const providerKeyIds: string[] = [];
  for (const body of bodies) {
    const answer = await callControl(flo2, 'POST', `/tenants/${tenantId}/provider-keys`, body);
    providerKeyIds.push(created.parse(answer).id);
  }
  for (const [route, definition] of Object.entries(options.routes ?? {})) {
    const path = `/tenants/${tenantId}/routes/${encodeURIComponent(route)}`;
    await callControl(flo2, 'PUT', path, { strategy: 'fallback', ...definition });
  }
  const apiKey = created.extend({ key: z.string() }).parse(
    await callControl(flo2, 'POST', `/tenants/${tenantId}/api-keys`, {
      name: 'test',
      scopes: ['inference', 'batch', 'usage:read'],
      ...options.apiKey,
    }),
  );
  return {
    tenantId,
    apiKey: apiKey.key,
    apiKeyId: apiKey.id,
    providerKeyIds,
    providerSecrets: bodies.map((body) => body.secret),
  };
};
