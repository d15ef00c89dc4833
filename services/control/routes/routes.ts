import type { FastifyInstance, FastifyRequest } from 'fastify';
import { ROUTES_MAX, routeBody, routeName, type RouteBody } from '#contracts/control-plane';
import type { TenantId } from '#contracts/ids';
import { PROVIDER_IDS } from '#contracts/vocabulary';
import { FloError } from '#domain/errors';
import type { ConfigurationChanges } from '#domain/ports';
import type { ProviderKeyStore } from '#postgres/provider-keys';
import type { RouteStore, StoredRoute } from '#postgres/routes';
import { noTenant, requireTenant } from '../authorization.ts';
import { invalidInput } from './list-input.ts';
import { encodePage, readBody, readPage } from './page.ts';
import type { Authorize } from './usage-authorization.ts';

export type RouteRouteDependencies = {
  authorize: Authorize;
  routes: RouteStore;
  providerKeys: Pick<ProviderKeyStore, 'find'>;
  configurationChanges: ConfigurationChanges;
};

const encodeRoute = (route: StoredRoute) => ({
  name: route.name,
  ...route.definition,
  created_at: route.createdAt.toISOString(),
  updated_at: route.updatedAt.toISOString(),
});

const readName = (request: FastifyRequest): string => {
  const parsed = routeName.safeParse((request.params as { name: string }).name);
  if (!parsed.success) throw invalidInput(parsed.error);
  return parsed.data;
};

const missing = (name: string): FloError => new FloError('route_not_found', `There is no route "${name}".`);

const refuseTarget = (index: number, field: string, message: string): never => {
  const param = `targets.${index}.${field}`;
  throw new FloError('invalid_request', `${param}: ${message}`, { param });
};

/** Refuses targets that could never be served, whatever keys the tenant registers. */
const checkTargets = async (
  providerKeys: RouteRouteDependencies['providerKeys'],
  tenantId: TenantId,
  { targets }: RouteBody,
): Promise<void> => {
  for (const [index, { model, provider_key: keyId }] of targets.entries()) {
    const slash = model.indexOf('/');
    const provider = slash < 0 ? null : model.slice(0, slash);
    if (provider !== null && !PROVIDER_IDS.some((id) => id === provider)) {
      refuseTarget(index, 'model', `must begin with one of ${PROVIDER_IDS.map((id) => `${id}/`).join(', ')}`);
    }
    if (slash === model.length - 1) refuseTarget(index, 'model', 'must name a model after the provider');
    if (keyId === undefined) continue;
    const key = await providerKeys.find(tenantId, keyId);
    if (key === null) return refuseTarget(index, 'provider_key', 'must be a provider key of this tenant');
    if (provider !== null && key.provider !== provider) {
      refuseTarget(index, 'provider_key', `must be a key of ${provider}, as the model is`);
    }
  }
};

/** `/api/v1/tenants/{t}/routes/{name}`. */
export const registerRouteRoutes = (app: FastifyInstance, deps: RouteRouteDependencies): void => {
  const { authorize, routes, providerKeys, configurationChanges } = deps;
  const path = '/api/v1/tenants/:tenant/routes';

  app.put(`${path}/:name`, async (request) => {
    const tenantId = await requireTenant(authorize, request);
    const name = readName(request);
    const body = readBody(routeBody, request);
    await checkTargets(providerKeys, tenantId, body);
    if ((await routes.count(tenantId)) >= ROUTES_MAX && (await routes.find(tenantId, name)) === null) {
      throw new FloError('conflict', `A tenant has at most ${ROUTES_MAX} routes: delete one.`);
    }
    const stored = await routes.put(tenantId, name, body);
    if (stored === null) throw noTenant(tenantId);
    configurationChanges.announce({ tenantId });
    return encodeRoute(stored);
  });

  app.get(path, async (request) => {
    const tenantId = await requireTenant(authorize, request);
    const { limit, after } = readPage(request);
    const rows = await routes.list(tenantId, { limit: limit + 1, afterName: after });
    return encodePage(rows, limit, encodeRoute, (row) => row.name);
  });

  app.get(`${path}/:name`, async (request) => {
    const tenantId = await requireTenant(authorize, request);
    const name = readName(request);
    const route = await routes.find(tenantId, name);
    if (route === null) throw missing(name);
    return encodeRoute(route);
  });

  app.delete(`${path}/:name`, async (request, reply) => {
    const tenantId = await requireTenant(authorize, request);
    const name = readName(request);
    if (!(await routes.delete(tenantId, name))) throw missing(name);
    configurationChanges.announce({ tenantId });
    return reply.code(204).send();
  });
};
