import type { ProviderKeyId } from '#contracts/ids';
import type { ProviderId } from '#contracts/vocabulary';

/** A provider key as routing sees it: never its secret. */
export type RoutableProviderKey = {
  id: ProviderKeyId;
  provider: ProviderId;
  /** Globs over the provider's model names; null serves whatever the price book lists for the provider. */
  models: readonly string[] | null;
  weight: number;
};

export type RouteTarget = {
  /** `provider/model`, or a bare model name. */
  model: string;
  /** Restricts the target to one of the tenant's keys. */
  providerKeyId?: ProviderKeyId | undefined;
};

export type Route = {
  name: string;
  strategy: 'fallback';
  targets: readonly RouteTarget[];
  maxAttempts: number | null;
  /** How long one attempt may take to its first byte. */
  timeoutMs: number | null;
};

/** All that routing a tenant's request needs to know of the tenant. */
export type TenantRouting = {
  providerKeys: readonly RoutableProviderKey[];
  routes: ReadonlyMap<string, Route>;
};
