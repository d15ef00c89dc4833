import type { FastifyInstance, FastifyRequest } from 'fastify';
import { z } from 'zod';
import type { TenantId } from '#contracts/ids';
import { FloError } from '#domain/errors';
import { encodeUsdPerMillion } from '#domain/money';
import type { PriceProposal, PriceProposals } from '#postgres/price-proposals';
import type { UnpricedUsage } from '#postgres/unpriced-usage';
import { requireRoot } from '../authorization.ts';
import { readBody } from './page.ts';
import type { Authorize } from './usage-authorization.ts';

export type PriceProposalRouteDependencies = {
  authorize: Authorize;
  clock: { nowMs: () => number };
  proposals: PriceProposals;
  listUnpriced: (tenantId: TenantId | null) => Promise<UnpricedUsage[]>;
};

const promoteBody = z.strictObject({
  /** Earlier than now to correct a rate; what was charged changes by a re-pricing only. */
  effective_from: z.iso
    .datetime({ offset: true, error: 'must be an RFC 3339 time like 2027-01-31T00:00:00Z' })
    .optional(),
});

const encodeRate = (rate: bigint | null): string | null => (rate === null ? null : encodeUsdPerMillion(rate));

/** From one rate to another in percent, to two places. */
const percentOf = (old: bigint | null, next: bigint | null): number | null =>
  old === null || next === null || old === 0n ? null : Number(((next - old) * 10_000n) / old) / 100;

const encodeProposal = (proposal: PriceProposal) => ({
  id: proposal.id,
  source: proposal.source,
  source_version: proposal.version,
  source_hash: proposal.hash,
  read_at: proposal.readAt.toISOString(),
  changes: proposal.changes.map(({ prices: [price], oldRatePicoUsd, newRatePicoUsd }) => ({
    provider: price?.provider,
    model: price?.model,
    component: price?.component,
    tier: price?.tier,
    region: price?.region === '' ? null : price?.region,
    /** Decimal text, USD per million units. */
    old_rate: encodeRate(oldRatePicoUsd),
    new_rate: encodeRate(newRatePicoUsd),
    percent: percentOf(oldRatePicoUsd, newRatePicoUsd),
    reference: price?.reference,
  })),
});

const idOf = (request: FastifyRequest): string => (request.params as { id: string }).id.slice(0, 64);
const missing = (id: string): FloError =>
  new FloError('route_not_found', `There is no price proposal ${id}.`);

/**
 * `/api/v1/prices/proposals`: changes of list prices that wait for a person, and `/api/v1/prices/unpriced`:
 * what waits for a price.
 */
export const registerPriceProposalRoutes = (
  app: FastifyInstance,
  dependencies: PriceProposalRouteDependencies,
): void => {
  const { authorize, clock, proposals, listUnpriced } = dependencies;

  app.get('/api/v1/prices/proposals', async (request) => {
    await requireRoot(authorize, request);
    return { data: (await proposals.list()).map(encodeProposal), has_more: false, next_cursor: null };
  });

  app.post('/api/v1/prices/proposals/:id/promote', async (request) => {
    await requireRoot(authorize, request);
    const body = readBody(promoteBody, request);
    const nowMs = clock.nowMs();
    const fromMs = body.effective_from === undefined ? nowMs : Date.parse(body.effective_from);
    const decision = await proposals.promote(idOf(request), 'root', { fromMs, nowMs });
    switch (decision.kind) {
      case 'applied':
        return { id: idOf(request), state: 'applied', rates: decision.rates };
      case 'missing':
        throw missing(idOf(request));
      case 'decided':
        throw new FloError('conflict', 'This proposal has been decided or superseded.');
      case 'too_late':
        throw new FloError(
          'conflict',
          'A rate has begun since effective_from, and what was charged by it cannot be taken back: name a later time.',
          { param: 'effective_from' },
        );
    }
  });

  app.post('/api/v1/prices/proposals/:id/reject', async (request) => {
    await requireRoot(authorize, request);
    if (!(await proposals.reject(idOf(request), 'root'))) throw missing(idOf(request));
    return { id: idOf(request), state: 'rejected' };
  });

  app.get('/api/v1/prices/unpriced', async (request) => {
    const principal = await authorize(request, { scope: 'usage:read' });
    const found = await listUnpriced(principal.kind === 'root' ? null : principal.apiKey.tenantId);
    return {
      data: found.map((row) => ({
        provider: row.provider,
        model: row.model,
        tier: row.tier,
        attempts: row.attempts,
        first_hour: row.firstHour.toISOString(),
        last_hour: row.lastHour.toISOString(),
        reason: row.reason,
      })),
      has_more: false,
      next_cursor: null,
    };
  });
};
