import type { FastifyInstance } from 'fastify';
import { tenantBody, tenantPatch } from '#contracts/control-plane';
import type { TenantId } from '#contracts/ids';
import type { IdMint } from '#domain/mint-id';
import type { ConfigurationChanges, Vault } from '#domain/ports';
import { FIRST_DATA_KEY_VERSION, type StoredTenant, type TenantStore } from '#postgres/tenants';
import { noTenant, requireRoot, requireTenant } from '../authorization.ts';
import { encodePage, readBody, readPage } from './page.ts';
import type { Authorize } from './usage-authorization.ts';

export type TenantRouteDependencies = {
  authorize: Authorize;
  tenants: TenantStore;
  vault: Vault;
  mint: IdMint;
  configurationChanges: ConfigurationChanges;
};

const encodeTenant = (tenant: StoredTenant) => ({
  id: tenant.id,
  name: tenant.name,
  weight: tenant.weight,
  shares: tenant.shares,
  batch_mode: tenant.batchMode,
  created_at: tenant.createdAt.toISOString(),
});

const orMissing = <Value>(value: Value | null, id: TenantId): Value => {
  if (value === null) throw noTenant(id);
  return value;
};

/** `/api/v1/tenants`: made, listed and deleted with the admin key; read and renamed, and its shares set, by the tenant too. */
export const registerTenantRoutes = (app: FastifyInstance, deps: TenantRouteDependencies): void => {
  const { authorize, tenants, vault, mint, configurationChanges } = deps;

  app.post('/api/v1/tenants', async (request, reply) => {
    await requireRoot(authorize, request);
    const { name } = readBody(tenantBody, request);
    const id = mint.mint('ten');
    const wrappedDataKey = vault.mintDataKey({ tenantId: id, dataKeyVersion: FIRST_DATA_KEY_VERSION });
    return reply.code(201).send(encodeTenant(await tenants.insert({ id, name, wrappedDataKey })));
  });

  app.get('/api/v1/tenants', async (request) => {
    await requireRoot(authorize, request);
    const { limit, after } = readPage(request);
    const rows = await tenants.list({ limit: limit + 1, afterId: after });
    return encodePage(rows, limit, encodeTenant, (row) => row.id);
  });

  app.get('/api/v1/tenants/:tenant', async (request) => {
    const id = await requireTenant(authorize, request);
    return encodeTenant(orMissing(await tenants.find(id), id));
  });

  app.patch('/api/v1/tenants/:tenant', async (request) => {
    const id = await requireTenant(authorize, request);
    const { batch_mode: batchMode, ...changes } = readBody(tenantPatch, request);
    // A tenant may not give itself a greater part of what all tenants share.
    if (changes.weight !== undefined) await requireRoot(authorize, request);
    const tenant = orMissing(await tenants.update(id, { ...changes, batchMode }), id);
    configurationChanges.announce({ tenantId: id });
    return encodeTenant(tenant);
  });

  app.delete('/api/v1/tenants/:tenant', async (request, reply) => {
    await requireRoot(authorize, request);
    const id = await requireTenant(authorize, request);
    if (!(await tenants.delete(id))) throw noTenant(id);
    configurationChanges.announce({ tenantId: id });
    return reply.code(204).send();
  });
};
