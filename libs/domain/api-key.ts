import type { ApiKeyId, TenantId } from '#contracts/ids';

export const API_KEY_SCOPES = ['inference', 'batch', 'usage:read', 'tenant:admin'] as const;
export type ApiKeyScope = (typeof API_KEY_SCOPES)[number];

export type ApiKeyLimits = {
  requestsPerMinute?: number | undefined;
  tokensPerMinute?: number | undefined;
  concurrency?: number | undefined;
};

/** What an API key allows and labels; the key itself is stored only as a hash. */
export type ApiKey = {
  id: ApiKeyId;
  tenantId: TenantId;
  scopes: readonly ApiKeyScope[];
  /** Globs over route names, `provider/model` and bare model names; null allows every model. */
  models: readonly string[] | null;
  team: string | null;
  feature: string | null;
  tags: Readonly<Record<string, string>>;
  /** Whether a request's own team, feature and tags win over the key's. */
  allowOverride: boolean;
  limits: ApiKeyLimits;
  /** Unix milliseconds; null never expires. */
  expiresAtMs: number | null;
};
