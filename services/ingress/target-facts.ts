import type { TenantId } from '#contracts/ids';
import type { KeyModels } from '#domain/model-catalogue';
import { readRequestNeeds } from '#domain/request-needs';
import type { TargetFacts } from '#domain/route-strategy';
import { conversationOf, drawsOf } from '#domain/session-affinity';
import { costAndSpeedOf, type TargetKnowledge } from '#domain/target-knowledge';

export type TargetFactsDeps = TargetKnowledge & { random: () => number; nowMs: number };

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
  return {
    ...costAndSpeedOf({ fleet, ratesOf }, { tenantId, tokens, nowMs }),
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
