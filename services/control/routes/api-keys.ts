import type { FastifyInstance, FastifyRequest } from 'fastify';
import { apiKeyBody, apiKeyPatch } from '#contracts/control-plane';
import { apiKeyId, type ApiKeyId } from '#contracts/ids';
import { mintApiKeyText } from '#domain/api-key-text';
import { FloError } from '#domain/errors';
import type { IdMint } from '#domain/mint-id';
import type { ConfigurationChanges } from '#domain/ports';
import type { ApiKeyStore, StoredApiKey } from '#postgres/api-keys';
import { hashApiKey } from '#web/caller-key';
import { requireTenant } from '../authorization.ts';
import { decodeLimits, encodeLimits } from './limits-body.ts';
import { encodePage, readBody, readPage } from './page.ts';
import type { Authorize } from './usage-authorization.ts';

export type ApiKeyRouteDependencies = {
  authorize: Authorize;
  apiKeys: ApiKeyStore;
  mint: IdMint;
  fillRandom: (bytes: Uint8Array) => void;
  configurationChanges: ConfigurationChanges;
};

const LAST_CHARACTERS = 4;

const encodeApiKey = (key: StoredApiKey) => ({
  id: key.id,
  name: key.name,
  last4: key.last4,
  scopes: key.scopes,
  models: key.models,
  team: key.team,
  feature: key.feature,
  tags: key.tags,
  allow_override: key.allowOverride,
  limits: encodeLimits(key.limits),
  expires_at: key.expiresAtMs === null ? null : new Date(key.expiresAtMs).toISOString(),
  created_at: key.createdAt.toISOString(),
  updated_at: key.updatedAt.toISOString(),
});

const decodeTime = (text: string | null): number | null => (text === null ? null : Date.parse(text));

const missing = (): FloError => new FloError('route_not_found', 'There is no such API key.');

const orMissing = (key: StoredApiKey | null): StoredApiKey => {
  if (key === null) throw missing();
  return key;
};

const readKeyId = (request: FastifyRequest): ApiKeyId => {
  const parsed = apiKeyId.safeParse((request.params as { key: string }).key);
  if (!parsed.success) throw missing();
  return parsed.data;
};

/** `/api/v1/tenants/{t}/api-keys`. The key itself is shown once, when it is made or rotated. */
export const registerApiKeyRoutes = (app: FastifyInstance, deps: ApiKeyRouteDependencies): void => {
  const { authorize, apiKeys, mint, fillRandom, configurationChanges } = deps;
  const path = '/api/v1/tenants/:tenant/api-keys';

  const mintKey = () => {
    const key = mintApiKeyText(fillRandom);
    return { key, stored: { keyHash: hashApiKey(key), last4: key.slice(-LAST_CHARACTERS) } };
  };

  app.post(path, async (request, reply) => {
    const tenantId = await requireTenant(authorize, request);
    const {
      limits,
      allow_override: allowOverride,
      expires_at: expiresAt,
      ...same
    } = readBody(apiKeyBody, request);
    const { key, stored } = mintKey();
    const created = await apiKeys.insert({
      ...same,
      ...stored,
      id: mint.mint('akey'),
      tenantId,
      allowOverride,
      limits: decodeLimits(limits),
      expiresAtMs: decodeTime(expiresAt),
    });
    return reply.code(201).send({ ...encodeApiKey(created), key });
  });

  app.get(path, async (request) => {
    const tenantId = await requireTenant(authorize, request);
    const { limit, after } = readPage(request);
    const rows = await apiKeys.list(tenantId, { limit: limit + 1, afterId: after });
    return encodePage(rows, limit, encodeApiKey, (row) => row.id);
  });

  app.get(`${path}/:key`, async (request) => {
    const tenantId = await requireTenant(authorize, request);
    return encodeApiKey(orMissing(await apiKeys.find(tenantId, readKeyId(request))));
  });

  app.patch(`${path}/:key`, async (request) => {
    const tenantId = await requireTenant(authorize, request);
    const {
      limits,
      allow_override: allowOverride,
      expires_at: expiresAt,
      ...same
    } = readBody(apiKeyPatch, request);
    const changed = await apiKeys.update(tenantId, readKeyId(request), {
      ...same,
      allowOverride,
      limits: limits === undefined ? undefined : decodeLimits(limits),
      expiresAtMs: expiresAt === undefined ? undefined : decodeTime(expiresAt),
    });
    configurationChanges.announce({ tenantId });
    return encodeApiKey(orMissing(changed));
  });

  app.post(`${path}/:key/rotate`, async (request) => {
    const tenantId = await requireTenant(authorize, request);
    const { key, stored } = mintKey();
    const rotated = orMissing(await apiKeys.rotate(tenantId, readKeyId(request), stored));
    configurationChanges.announce({ tenantId });
    return { ...encodeApiKey(rotated), key };
  });

  app.delete(`${path}/:key`, async (request, reply) => {
    const tenantId = await requireTenant(authorize, request);
    if (!(await apiKeys.delete(tenantId, readKeyId(request)))) throw missing();
    configurationChanges.announce({ tenantId });
    return reply.code(204).send();
  });
};
