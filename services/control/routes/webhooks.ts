import type { FastifyInstance, FastifyRequest } from 'fastify';
import { webhookEndpointBody, webhookEndpointPatch } from '#contracts/webhook';
import { FloError } from '#domain/errors';
import type { StoredWebhookDelivery, WebhookDeliveries } from '#postgres/webhook-deliveries';
import type {
  EnsuredWebhookEndpoint,
  StoredWebhookEndpoint,
  WebhookEndpointStore,
} from '#postgres/webhook-endpoints';
import type { EnsureWebhook } from '#runtime/ensure-webhook';
import { requireTenant } from '../authorization.ts';
import { encodePage, readBody, readPage } from './page.ts';
import type { Authorize } from './usage-authorization.ts';

export type WebhookRouteDependencies = {
  authorize: Authorize;
  endpoints: WebhookEndpointStore;
  deliveries: WebhookDeliveries;
  ensureWebhook: EnsureWebhook;
};

const encodeEndpoint = (endpoint: StoredWebhookEndpoint) => ({
  id: endpoint.id,
  url: endpoint.url,
  events: endpoint.events,
  secret_version: endpoint.secretVersion,
  /** Until then the secret before the last rotation signs too. */
  previous_secret_until: endpoint.previousUntil?.toISOString() ?? null,
  disabled_at: endpoint.disabledAt?.toISOString() ?? null,
  disabled_reason: endpoint.disabledReason,
  created_at: endpoint.createdAt.toISOString(),
});

const encodeWithSecret = (endpoint: EnsuredWebhookEndpoint) => ({
  ...encodeEndpoint(endpoint),
  ...(endpoint.secret !== null && { secret: endpoint.secret }),
});

const encodeDelivery = (delivery: StoredWebhookDelivery) => ({
  id: delivery.id,
  webhook_endpoint: delivery.endpointId,
  type: delivery.type,
  status: delivery.status,
  payload: JSON.parse(delivery.payload) as unknown,
  tries: delivery.log,
  next_try_at: delivery.status === 'pending' ? delivery.nextTryAt.toISOString() : null,
  created_at: delivery.createdAt.toISOString(),
  ended_at: delivery.endedAt?.toISOString() ?? null,
});

const idOf = (request: FastifyRequest): string => (request.params as { id: string }).id;

const orMissing = <Value>(value: Value | null, what: string): Value => {
  if (value === null) throw new FloError('route_not_found', `There is no such ${what}.`);
  return value;
};

/** `/api/v1/tenants/{t}/webhook-endpoints` and `…/webhook-deliveries`. */
export const registerWebhookRoutes = (app: FastifyInstance, deps: WebhookRouteDependencies): void => {
  const { authorize, endpoints, deliveries, ensureWebhook } = deps;
  const endpointPath = '/api/v1/tenants/:tenant/webhook-endpoints';
  const deliveryPath = '/api/v1/tenants/:tenant/webhook-deliveries';

  app.post(endpointPath, async (request, reply) => {
    const tenantId = await requireTenant(authorize, request);
    const { events, ...target } = readBody(webhookEndpointBody, request);
    const endpoint = await ensureWebhook(tenantId, target);
    const subscribed = events === undefined ? null : await endpoints.subscribe(tenantId, endpoint.id, events);
    return reply.code(201).send(encodeWithSecret({ ...endpoint, ...subscribed }));
  });

  app.patch(`${endpointPath}/:id`, async (request) => {
    const tenantId = await requireTenant(authorize, request);
    const { events } = readBody(webhookEndpointPatch, request);
    const changed = await endpoints.subscribe(tenantId, idOf(request), events);
    return encodeEndpoint(orMissing(changed, 'webhook endpoint'));
  });

  app.get(endpointPath, async (request) => {
    const tenantId = await requireTenant(authorize, request);
    const { limit, after } = readPage(request);
    const rows = await endpoints.list(tenantId, { limit: limit + 1, afterId: after });
    return encodePage(rows, limit, encodeEndpoint, (row) => row.id);
  });

  app.get(`${endpointPath}/:id`, async (request) => {
    const tenantId = await requireTenant(authorize, request);
    return encodeEndpoint(orMissing(await endpoints.find(tenantId, idOf(request)), 'webhook endpoint'));
  });

  app.post(`${endpointPath}/:id/rotate`, async (request) => {
    const tenantId = await requireTenant(authorize, request);
    return encodeWithSecret(orMissing(await endpoints.rotate(tenantId, idOf(request)), 'webhook endpoint'));
  });

  app.post(`${endpointPath}/:id/enable`, async (request) => {
    const tenantId = await requireTenant(authorize, request);
    return encodeEndpoint(orMissing(await endpoints.enable(tenantId, idOf(request)), 'webhook endpoint'));
  });

  app.get(deliveryPath, async (request) => {
    const tenantId = await requireTenant(authorize, request);
    const { limit, after } = readPage(request);
    const rows = await deliveries.list(tenantId, { limit: limit + 1, afterId: after });
    return encodePage(rows, limit, encodeDelivery, (row) => row.id);
  });

  app.get(`${deliveryPath}/:id`, async (request) => {
    const tenantId = await requireTenant(authorize, request);
    return encodeDelivery(orMissing(await deliveries.find(tenantId, idOf(request)), 'webhook delivery'));
  });

  app.post(`${deliveryPath}/:id/resend`, async (request, reply) => {
    const tenantId = await requireTenant(authorize, request);
    const delivery = orMissing(await deliveries.resend(tenantId, idOf(request)), 'webhook delivery');
    return reply.code(202).send(encodeDelivery(delivery));
  });
};
