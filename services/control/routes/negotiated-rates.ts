import type { FastifyInstance, FastifyRequest } from 'fastify';
import {
  NEGOTIATED_RATES_MAX,
  negotiatedRateBody,
  negotiatedRatePatch,
  type NegotiatedRateBody,
} from '#contracts/negotiated-rate';
import type { TenantId } from '#contracts/ids';
import { FloError } from '#domain/errors';
import type { IdMint } from '#domain/mint-id';
import { encodeUsdPerMillion, ratePicoUsdFromUsdPerMillion } from '#domain/money';
import type { NegotiatedRate } from '#domain/negotiated-rate';
import type { NegotiatedRateStore, StoredRate } from '#postgres/negotiated-rates';
import type { ProviderKeyStore } from '#postgres/provider-keys';
import { requireTenant } from '../authorization.ts';
import { encodePage, readBody, readPage } from './page.ts';
import type { Authorize } from './usage-authorization.ts';

export type NegotiatedRateRouteDependencies = {
  authorize: Authorize;
  mint: IdMint;
  rates: NegotiatedRateStore;
  providerKeys: Pick<ProviderKeyStore, 'find'>;
};

/** Dollars per million and percent have six places, and are kept as whole numbers of the last. */
const decodeValue = ratePicoUsdFromUsdPerMillion;
const encodeValue = encodeUsdPerMillion;

const decodeBody = (body: NegotiatedRateBody, tenantId: TenantId, mint: IdMint): NegotiatedRate => ({
  id: mint.mint('rate'),
  tenantId,
  provider: body.provider,
  model: body.model,
  component: body.component ?? null,
  providerKeyId: body.provider_key ?? null,
  kind: body.kind,
  value: decodeValue(body.value),
  volumeTiers: (body.volume?.tiers ?? []).map((tier) => ({
    from: BigInt(tier.from),
    value: decodeValue(tier.value),
  })),
  volumePeriod: body.volume?.period ?? null,
  effectiveFromMs: Date.parse(body.effective_from),
  effectiveToMs: body.effective_to === undefined ? null : Date.parse(body.effective_to),
});

const encodeRate = (rate: StoredRate) => ({
  id: rate.id,
  provider: rate.provider,
  model: rate.model,
  component: rate.component,
  provider_key: rate.providerKeyId,
  kind: rate.kind,
  value: encodeValue(rate.value),
  volume:
    rate.volumePeriod === null
      ? null
      : {
          period: rate.volumePeriod,
          tiers: rate.volumeTiers.map(({ from, value }) => ({
            from: String(from),
            value: encodeValue(value),
          })),
        },
  effective_from: new Date(rate.effectiveFromMs).toISOString(),
  effective_to: rate.effectiveToMs === null ? null : new Date(rate.effectiveToMs).toISOString(),
  created_at: rate.createdAt.toISOString(),
});

const idOf = (request: FastifyRequest): string => (request.params as { rate: string }).rate.slice(0, 64);
const missing = (id: string): FloError => new FloError('route_not_found', `There is no rate ${id}.`);

const refuseOverlap = (rate: StoredRate | 'overlap'): StoredRate => {
  if (rate !== 'overlap') return rate;
  throw new FloError(
    'conflict',
    'Another rate for the same provider, model, component and provider key holds at that time: end it first.',
    { param: 'effective_from' },
  );
};

/** `/api/v1/tenants/{t}/rates`: what a tenant has agreed with its providers. */
export const registerNegotiatedRateRoutes = (
  app: FastifyInstance,
  deps: NegotiatedRateRouteDependencies,
): void => {
  const { authorize, mint, rates, providerKeys } = deps;
  const path = '/api/v1/tenants/:tenant/rates';

  app.post(path, async (request, reply) => {
    const tenantId = await requireTenant(authorize, request);
    const body = readBody(negotiatedRateBody, request);
    if (body.provider_key !== undefined) {
      const key = await providerKeys.find(tenantId, body.provider_key);
      if (key?.provider !== body.provider) {
        const message = `provider_key: must be a key of this tenant at ${body.provider}`;
        throw new FloError('invalid_request', message, { param: 'provider_key' });
      }
    }
    if ((await rates.count(tenantId)) >= NEGOTIATED_RATES_MAX) {
      throw new FloError('conflict', `A tenant has at most ${NEGOTIATED_RATES_MAX} rates.`);
    }
    const stored = refuseOverlap(await rates.insert(decodeBody(body, tenantId, mint)));
    return reply.code(201).send(encodeRate(stored));
  });

  app.get(path, async (request) => {
    const tenantId = await requireTenant(authorize, request);
    const { limit, after } = readPage(request);
    const rows = await rates.list(tenantId, { limit: limit + 1, afterId: after });
    return encodePage(rows, limit, encodeRate, (row) => row.id);
  });

  app.get(`${path}/:rate`, async (request) => {
    const tenantId = await requireTenant(authorize, request);
    const rate = await rates.find(tenantId, idOf(request));
    if (rate === null) throw missing(idOf(request));
    return encodeRate(rate);
  });

  app.patch(`${path}/:rate`, async (request) => {
    const tenantId = await requireTenant(authorize, request);
    const { effective_to: end } = readBody(negotiatedRatePatch, request);
    const rate = await rates.find(tenantId, idOf(request));
    if (rate === null) throw missing(idOf(request));
    if (end !== null && Date.parse(end) <= rate.effectiveFromMs) {
      throw new FloError('invalid_request', 'effective_to: must be later than effective_from', {
        param: 'effective_to',
      });
    }
    const changed = await rates.setEnd(tenantId, rate.id, end);
    if (changed === null) throw missing(rate.id);
    return encodeRate(refuseOverlap(changed));
  });

  app.delete(`${path}/:rate`, async (request, reply) => {
    const tenantId = await requireTenant(authorize, request);
    if (!(await rates.end(tenantId, idOf(request)))) throw missing(idOf(request));
    return reply.code(204).send();
  });
};
