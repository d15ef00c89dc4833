import type { FastifyInstance, FastifyRequest } from 'fastify';
import { PROVIDER_KEYS_MAX, providerKeyBody, providerKeyPatch, rotateBody } from '#contracts/control-plane';
import { providerKeyId, type ProviderKeyId, type TenantId } from '#contracts/ids';
import { FloError } from '#domain/errors';
import type { FleetState } from '#domain/fleet-state';
import type { KeyHealth } from '#domain/key-health';
import type { IdMint } from '#domain/mint-id';
import type { ConfigurationChanges, ProviderCredentials, Vault } from '#domain/ports';
import { checkPublicUrl } from '#http/address-guard';
import type { UpstreamClient } from '#http/upstream-client';
import type { ProviderAddress } from '#providers/registry';
import { isUniqueViolation } from '#postgres/constraint';
import type { ProviderKeyStore, SealedSecret, StoredProviderKey } from '#postgres/provider-keys';
import type { TenantStore } from '#postgres/tenants';
import { noTenant, requireTenant } from '../authorization.ts';
import { checkProviderKey } from '../key-check.ts';
import type { ModelLists } from '../model-lists.ts';
import { decodeLimits, encodeLimits } from './limits-body.ts';
import { encodePage, readBody, readPage } from './page.ts';
import type { Authorize } from './usage-authorization.ts';

export type ProviderKeyRouteDependencies = {
  authorize: Authorize;
  tenants: TenantStore;
  providerKeys: ProviderKeyStore;
  /** For checks of stored keys only. */
  credentials: ProviderCredentials;
  vault: Vault;
  upstream: UpstreamClient;
  allowPrivateUpstreams: boolean;
  mint: IdMint;
  configurationChanges: ConfigurationChanges;
  /** Which keys the fleet does not use for now. */
  keyHealth: Pick<FleetState, 'keyHealth' | 'replaceKeyHealth'>;
  modelLists: Pick<ModelLists, 'refresh'>;
  /** Forgets what was listed for a key. */
  forgetModels: (id: ProviderKeyId) => Promise<void>;
};

const LAST_CHARACTERS = 4;
const FIRST_SECRET_VERSION = 1;

const encodeProviderKey = (key: StoredProviderKey, trouble: KeyHealth) => ({
  id: key.id,
  provider: key.provider,
  name: key.name,
  last4: key.last4,
  status: trouble === null || key.status !== 'active' ? key.status : trouble.reason,
  status_detail:
    trouble === null
      ? null
      : {
          code: trouble.code,
          since: new Date(trouble.sinceMs).toISOString(),
          next_try_at: new Date(trouble.probeAtMs).toISOString(),
        },
  base_url: key.baseUrl,
  dialect: key.dialect,
  models: key.models,
  weight: key.weight,
  account: key.account,
  limits: encodeLimits(key.limits),
  provider_key_id: key.upstreamKeyId,
  secret_version: key.secretVersion,
  created_at: key.createdAt.toISOString(),
  updated_at: key.updatedAt.toISOString(),
});

const missing = (): FloError => new FloError('route_not_found', 'There is no such provider key.');

const orMissing = (key: StoredProviderKey | null): StoredProviderKey => {
  if (key === null) throw missing();
  return key;
};

const nameTaken = (error: unknown, name: string): unknown =>
  isUniqueViolation(error)
    ? new FloError('conflict', `The tenant has a provider key "${name}" already.`, { param: 'name' })
    : error;

const checkAddress = ({ provider, baseUrl, dialect }: ProviderAddress): void => {
  const isCompatible = provider === 'openai_compatible';
  if (isCompatible && baseUrl === null) {
    throw new FloError(
      'invalid_request',
      'base_url: an openai_compatible provider has no address of its own.',
      {
        param: 'base_url',
      },
    );
  }
  if (isCompatible || dialect === null) return;
  throw new FloError('invalid_request', 'dialect: only an openai_compatible provider has one.', {
    param: 'dialect',
  });
};

const readKeyId = (request: FastifyRequest): ProviderKeyId => {
  const parsed = providerKeyId.safeParse((request.params as { key: string }).key);
  if (!parsed.success) throw missing();
  return parsed.data;
};

/** `/api/v1/tenants/{t}/provider-keys`. A secret comes in and never goes out. */
export const registerProviderKeyRoutes = (app: FastifyInstance, deps: ProviderKeyRouteDependencies): void => {
  const { authorize, tenants, providerKeys, credentials, vault, upstream, mint, configurationChanges } = deps;
  const { modelLists } = deps;
  const path = '/api/v1/tenants/:tenant/provider-keys';
  const encode = (key: StoredProviderKey) => encodeProviderKey(key, deps.keyHealth.keyHealth(key.id));

  /** What was seen of the key before says nothing any more. */
  const forgetTrouble = async (id: ProviderKeyId): Promise<void> => {
    if (deps.keyHealth.keyHealth(id) !== null) await deps.keyHealth.replaceKeyHealth(id, null);
  };

  const seal = async (
    owner: { tenantId: TenantId; providerKeyId: ProviderKeyId; secretVersion: number },
    secret: string,
  ): Promise<SealedSecret> => {
    const dataKey = await tenants.findDataKey(owner.tenantId);
    if (dataKey === null) throw noTenant(owner.tenantId);
    const bound = { ...owner, dataKeyVersion: dataKey.version };
    return {
      sealed: vault.seal(dataKey.wrapped, bound, secret),
      dataKeyVersion: dataKey.version,
      secretVersion: owner.secretVersion,
      last4: secret.slice(-LAST_CHARACTERS),
    };
  };

  const checkBaseUrl = async (baseUrl: string | null | undefined): Promise<void> => {
    if (typeof baseUrl !== 'string') return;
    await checkPublicUrl(new URL(baseUrl), { allowPrivate: deps.allowPrivateUpstreams });
  };

  const requireAccepted = async (key: ProviderAddress & { secret: string }): Promise<void> => {
    const { accepted, upstreamStatus } = await checkProviderKey(upstream, key);
    if (accepted) return;
    throw new FloError('invalid_request', `The provider rejected this key (${upstreamStatus}).`, {
      param: 'secret',
      upstreamStatus,
    });
  };

  app.post(path, async (request, reply) => {
    const tenantId = await requireTenant(authorize, request);
    const body = readBody(providerKeyBody, request);
    if ((await providerKeys.count(tenantId)) >= PROVIDER_KEYS_MAX) {
      throw new FloError('conflict', `A tenant has at most ${PROVIDER_KEYS_MAX} provider keys: delete one.`);
    }
    checkAddress({ provider: body.provider, baseUrl: body.base_url, dialect: body.dialect });
    await checkBaseUrl(body.base_url);
    if (body.verify) await requireAccepted({ ...body, baseUrl: body.base_url });
    const id = mint.mint('pkey');
    const owner = { tenantId, providerKeyId: id, secretVersion: FIRST_SECRET_VERSION };
    const created = await providerKeys
      .insert({
        id,
        tenantId,
        provider: body.provider,
        name: body.name,
        baseUrl: body.base_url,
        dialect: body.dialect,
        models: body.models,
        weight: body.weight,
        account: body.account,
        limits: decodeLimits(body.limits),
        upstreamKeyId: body.provider_key_id,
        ...(await seal(owner, body.secret)),
      })
      .catch((error: unknown) => {
        throw nameTaken(error, body.name);
      });
    configurationChanges.announce({ tenantId });
    modelLists.refresh({ tenantId, providerKeyId: id });
    return reply.code(201).send(encode(created));
  });

  app.get(path, async (request) => {
    const tenantId = await requireTenant(authorize, request);
    const { limit, after } = readPage(request);
    const rows = await providerKeys.list(tenantId, { limit: limit + 1, afterId: after });
    return encodePage(rows, limit, encode, (row) => row.id);
  });

  app.get(`${path}/:key`, async (request) => {
    const tenantId = await requireTenant(authorize, request);
    return encode(orMissing(await providerKeys.find(tenantId, readKeyId(request))));
  });

  app.patch(`${path}/:key`, async (request) => {
    const tenantId = await requireTenant(authorize, request);
    const id = readKeyId(request);
    const {
      base_url: baseUrl,
      provider_key_id: upstreamKeyId,
      limits,
      ...same
    } = readBody(providerKeyPatch, request);
    await checkBaseUrl(baseUrl);
    if (baseUrl !== undefined || same.dialect !== undefined) {
      const { provider, ...current } = orMissing(await providerKeys.find(tenantId, id));
      checkAddress({
        provider,
        baseUrl: baseUrl === undefined ? current.baseUrl : baseUrl,
        dialect: same.dialect === undefined ? current.dialect : same.dialect,
      });
    }
    const changed = await providerKeys
      .update(tenantId, id, {
        ...same,
        baseUrl,
        upstreamKeyId,
        limits: limits && decodeLimits(limits),
      })
      .catch((error: unknown) => {
        throw nameTaken(error, same.name ?? '');
      });
    configurationChanges.announce({ tenantId });
    if (baseUrl !== undefined || same.dialect !== undefined) {
      modelLists.refresh({ tenantId, providerKeyId: id });
    }
    return encode(orMissing(changed));
  });

  app.post(`${path}/:key/rotate`, async (request) => {
    const tenantId = await requireTenant(authorize, request);
    const id = readKeyId(request);
    const { secret } = readBody(rotateBody, request);
    const current = orMissing(await providerKeys.find(tenantId, id));
    const owner = { tenantId, providerKeyId: id, secretVersion: current.secretVersion + 1 };
    const rotated = await providerKeys.rotate(tenantId, id, await seal(owner, secret));
    if (rotated === null) {
      throw new FloError('conflict', 'The key was rotated or deleted by somebody else at this moment.');
    }
    configurationChanges.announce({ tenantId });
    await forgetTrouble(id);
    modelLists.refresh({ tenantId, providerKeyId: id });
    return encode(rotated);
  });

  app.post(`${path}/:key/verify`, async (request) => {
    const tenantId = await requireTenant(authorize, request);
    const key = orMissing(await providerKeys.find(tenantId, readKeyId(request)));
    const credential = await credentials.open(tenantId, key.id);
    if (credential === null) throw missing();
    const { accepted, upstreamStatus } = await checkProviderKey(upstream, credential);
    if (accepted) {
      await forgetTrouble(key.id);
      modelLists.refresh({ tenantId, providerKeyId: key.id });
    }
    return { ...encode(key), verification: { accepted, upstream_status: upstreamStatus } };
  });

  app.delete(`${path}/:key`, async (request, reply) => {
    const tenantId = await requireTenant(authorize, request);
    const id = readKeyId(request);
    if (!(await providerKeys.delete(tenantId, id))) throw missing();
    await deps.forgetModels(id);
    configurationChanges.announce({ tenantId });
    return reply.code(204).send();
  });
};
