import type { ProviderKeyId } from '#contracts/ids';
import type { ApiKeyLimits } from './api-key.ts';
import { bucketName } from './bucket-name.ts';
import type { RoomWanted } from './ports.ts';
import type { RoutableProviderKey, TenantShares } from './tenant-routing.ts';

/** A key of a target that a call may be made with. */
export type RoomCandidate = {
  step: number;
  keyIndex: number;
  providerKeyId: ProviderKeyId;
  bucket: string;
  /** The tenant's word on the account; undefined where the caller does not know the tenant's keys. */
  declared: ApiKeyLimits | undefined;
};

const lowerOf = (one: number | undefined, other: number | undefined): number | undefined =>
  one === undefined || other === undefined ? (one ?? other) : Math.min(one, other);

/** The tenant's word on a key's account: of several keys that share it, the lowest that one of them says. */
const declaredOf = (
  id: ProviderKeyId,
  providerKeys: readonly RoutableProviderKey[],
): ApiKeyLimits | undefined => {
  const key = providerKeys.find((known) => known.id === id);
  if (key === undefined || key.account === null) return key?.limits;
  const sharing = providerKeys.filter(
    ({ provider, account }) => provider === key.provider && account === key.account,
  );
  return sharing
    .map(({ limits }) => limits)
    .reduce((lowest, limits) => ({
      requestsPerMinute: lowerOf(lowest.requestsPerMinute, limits.requestsPerMinute),
      tokensPerMinute: lowerOf(lowest.tokensPerMinute, limits.tokensPerMinute),
      concurrency: lowerOf(lowest.concurrency, limits.concurrency),
    }));
};

/** All keys of the plan that may be tried, in the plan's order. */
export const candidatesOf = (wanted: RoomWanted): RoomCandidate[] => {
  const { tenantId, plan, routing, fromStep = 0, toStep = plan.steps.length - 1, triedKeyIds } = wanted;
  const candidates: RoomCandidate[] = [];
  for (let step = fromStep; step <= toStep; step += 1) {
    const target = plan.steps[step];
    if (target === undefined) break;
    const { provider, model, accounts } = target;
    for (const [keyIndex, providerKeyId] of target.providerKeyIds.entries()) {
      if (triedKeyIds?.has(providerKeyId)) continue;
      const account = accounts?.[keyIndex] ?? null;
      const bucket = bucketName({ tenantId, provider, providerKeyId, account, model });
      const declared = declaredOf(providerKeyId, routing.providerKeys);
      candidates.push({ step, keyIndex, providerKeyId, bucket, declared });
    }
  }
  return candidates;
};

const weightOf = (weights: Readonly<Record<string, number>>, name: string | null): number =>
  name !== null && Object.hasOwn(weights, name) ? (weights[name] ?? 1) : 1;

/** Whose part of a bucket's room a call takes: its team's, and in it its feature's. */
export const flowOf = (
  { team, feature }: { team: string | null; feature: string | null },
  shares: TenantShares,
): { name: string; weight: number }[] => [
  { name: team ?? '', weight: weightOf(shares.teams, team) },
  { name: feature ?? '', weight: weightOf(shares.features, feature) },
];
