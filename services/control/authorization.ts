import type { FastifyRequest } from 'fastify';
import { tenantId as tenantIdSchema, type TenantId } from '#contracts/ids';
import type { ApiKeyScope } from '#domain/api-key';
import { parseApiKeyText } from '#domain/api-key-text';
import { FloError } from '#domain/errors';
import type { Clock, TenantDirectory } from '#domain/ports';
import { narrowToTenant } from '#postgres/tenant-scope';
import { hashApiKey, isSameKey, readCallerKey } from '#web/caller-key';
import type { Authorize } from './routes/usage-authorization.ts';

export const noTenant = (id: string): FloError =>
  new FloError('route_not_found', `There is no tenant ${id.slice(0, 40)}.`);

/**
 * Reads keys straight from the store: a revoked key manages nothing from the moment it is revoked. Of a request
 * that is let in for one tenant, no statement from then on sees another's rows.
 */
export const createAuthorize = (deps: {
  adminKey: string;
  directory: TenantDirectory;
  tenantExists: (id: TenantId) => Promise<boolean>;
  clock: Clock;
}): Authorize => {
  return async (request, { tenantId, scope }) => {
    const text = readCallerKey(request.headers);
    if (text !== null && isSameKey(text, deps.adminKey)) {
      if (tenantId !== undefined && !(await deps.tenantExists(tenantId))) throw noTenant(tenantId);
      if (tenantId !== undefined) narrowToTenant(tenantId);
      return { kind: 'root' };
    }
    const apiKey = await deps.directory.findApiKey(hashApiKey(parseApiKeyText(text)));
    if (apiKey === null || (apiKey.expiresAtMs !== null && apiKey.expiresAtMs <= deps.clock.nowMs())) {
      throw new FloError('invalid_key', 'This key is unknown, was revoked or has expired.');
    }
    const mayDo = (wanted: ApiKeyScope): boolean =>
      apiKey.scopes.includes(wanted) || apiKey.scopes.includes('tenant:admin');
    if (!mayDo(scope)) throw new FloError('forbidden', `This key lacks the scope "${scope}".`);
    // Another tenant is as unknown to a key as one that never was.
    if (tenantId !== undefined && tenantId !== apiKey.tenantId) throw noTenant(tenantId);
    narrowToTenant(apiKey.tenantId);
    return { kind: 'api_key', apiKey };
  };
};

/** For what no tenant may do. */
export const requireRoot = async (authorize: Authorize, request: FastifyRequest): Promise<void> => {
  const principal = await authorize(request, { scope: 'tenant:admin' });
  if (principal.kind !== 'root') throw new FloError('forbidden', 'Only the admin key may do this.');
};

/** The tenant of a path, for who may manage it. */
export const requireTenant = async (authorize: Authorize, request: FastifyRequest): Promise<TenantId> => {
  const { tenant } = request.params as { tenant: string };
  const parsed = tenantIdSchema.safeParse(tenant);
  if (!parsed.success) {
    await authorize(request, { scope: 'tenant:admin' });
    throw noTenant(tenant);
  }
  await authorize(request, { tenantId: parsed.data, scope: 'tenant:admin' });
  return parsed.data;
};
