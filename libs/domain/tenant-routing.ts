import type { BatchMode } from '#contracts/batch';
import type { ProviderKeyId } from '#contracts/ids';
import type { ProviderId, RouteStrategy } from '#contracts/vocabulary';
import type { ApiKeyLimits as Limits } from './api-key.ts';

/** Weights by name; a team or feature that is not named has the weight 1. */
export type TenantShares = { teams: Record<string, number>; features: Record<string, number> };

/** A provider key as routing sees it: never its secret. */
export type RoutableProviderKey = {
  id: ProviderKeyId;
  provider: ProviderId;
  /** Globs over the provider's model names; null serves whatever the price book lists for the provider. */
  models: readonly string[] | null;
  /** What the provider lists for the key, where it has been asked. */
  listedModelIds?: ReadonlySet<string> | undefined;
  weight: number;
  /** Keys of one declared account share its rate limits; null stands alone. */
  account: string | null;
  /** What the tenant says the account allows. */
  limits: Limits;
};

export type RouteTarget = {
  /** `provider/model`, or a bare model name. */
  model: string;
  /** Its part of the requests under `weighted`. @default 1 */
  weight?: number | undefined;
  /** Restricts the target to one of the tenant's keys. */
  providerKeyId?: ProviderKeyId | undefined;
};

export type Route = {
  name: string;
  strategy: RouteStrategy;
  targets: readonly RouteTarget[];
  maxAttempts: number | null;
  /** How long one attempt may take to its first byte. */
  timeoutMs: number | null;
};

/** All that routing a tenant's request needs to know of the tenant. */
export type TenantRouting = {
  providerKeys: readonly RoutableProviderKey[];
  routes: ReadonlyMap<string, Route>;
  /** The tenant's part among tenants, and its teams' and features' among themselves. */
  weight: number;
  shares: TenantShares;
  /** How its batches' lines run where the batch does not say it. @default `queued` */
  batchMode?: BatchMode | undefined;
};
