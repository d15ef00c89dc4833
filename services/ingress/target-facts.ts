import type { PlanStep } from '#contracts/dispatch';
import type { TenantId } from '#contracts/ids';
import type { ProviderId } from '#contracts/vocabulary';
import { bucketName } from '#domain/bucket-name';
import type { FleetState } from '#domain/fleet-state';
import type { KeyModels } from '#domain/model-catalogue';
import type { PriceRate } from '#domain/price-book';
import { readRequestNeeds } from '#domain/request-needs';
import { estimateCost, type TargetFacts } from '#domain/route-strategy';
import { conversationOf, drawsOf } from '#domain/session-affinity';

export type TargetFactsDeps = {
  fleet: Pick<FleetState, 'bucketNews'>;
  ratesOf: (provider: ProviderId, model: string) => readonly PriceRate[];
  random: () => number;
  nowMs: number;
};

/** What a request's plan is chosen by, read from what this process knows already. */
export const targetFactsFor = (
  { fleet, ratesOf, random, nowMs }: TargetFactsDeps,
  request: {
    tenantId: TenantId;
    parsedBody: unknown;
    tokens: { inputTokens: number; outputTokens: number };
    /** Empty where the plan has no route to choose by. */
    keyModels: readonly KeyModels[];
  },
): Partial<TargetFacts> => {
  const { tenantId, parsedBody, tokens, keyModels } = request;
  const firstTokenMsOf = ({ provider, model, providerKeyIds, accounts }: PlanStep): number | null => {
    const known = providerKeyIds.flatMap((providerKeyId, index) => {
      const account = accounts?.[index] ?? null;
      const news = fleet.bucketNews(bucketName({ tenantId, provider, providerKeyId, account, model }));
      return news?.firstTokenMs ?? [];
    });
    return known.length === 0 ? null : Math.min(...known);
  };
  return {
    costOf: (step) => estimateCost(ratesOf(step.provider, step.model), step, tokens, nowMs),
    firstTokenMsOf,
    listedOf: ({ model, providerKeyIds }) => {
      for (const { providerKeyId, models } of keyModels) {
        if (!providerKeyIds.includes(providerKeyId)) continue;
        const listed = models.find(({ id }) => id === model);
        if (listed !== undefined) return listed;
      }
      return null;
    },
    ...(keyModels.length > 0 && { needs: readRequestNeeds(parsedBody) }),
    draw: drawsOf(conversationOf(parsedBody), random),
    random,
  };
};
