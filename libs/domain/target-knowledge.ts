import type { PlanStep } from '#contracts/dispatch';
import type { TenantId } from '#contracts/ids';
import type { ProviderId } from '#contracts/vocabulary';
import { bucketName } from './bucket-name.ts';
import type { FleetState } from './fleet-state.ts';
import type { PriceRate } from './price-book.ts';
import { estimateCost, type TargetFacts } from './route-strategy.ts';

export type TargetKnowledge = {
  fleet: Pick<FleetState, 'bucketNews'>;
  ratesOf: (provider: ProviderId, model: string) => readonly PriceRate[];
};

/** What targets cost and how fast they were, of what this process knows already. Times are Unix milliseconds. */
export const costAndSpeedOf = (
  { fleet, ratesOf }: TargetKnowledge,
  request: { tenantId: TenantId; tokens: { inputTokens: number; outputTokens: number }; nowMs: number },
): Pick<TargetFacts, 'costOf' | 'firstTokenMsOf'> => ({
  costOf: (step) => estimateCost(ratesOf(step.provider, step.model), step, request.tokens, request.nowMs),
  firstTokenMsOf: ({ provider, model, providerKeyIds, accounts }: PlanStep) => {
    const { tenantId } = request;
    const known = providerKeyIds.flatMap((providerKeyId, index) => {
      const account = accounts?.[index] ?? null;
      const news = fleet.bucketNews(bucketName({ tenantId, provider, providerKeyId, account, model }));
      return news?.firstTokenMs ?? [];
    });
    return known.length === 0 ? null : Math.min(...known);
  },
});
