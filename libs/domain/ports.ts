/** The small interfaces services ask for and adapters implement. */
import type { ApiKeyId, ProviderKeyId, TenantId } from '#contracts/ids';
import type { ConfigurationChange } from '#contracts/configuration-change';
import type { ProviderId } from '#contracts/vocabulary';
import type { ApiKey } from './api-key.ts';
import type { TenantRouting } from './tenant-routing.ts';

/** Unix milliseconds. */
export type Clock = { nowMs: () => number };

/** Reads what the ingress needs to admit a request. Rejects with the driver's error when the store is down. */
export type TenantDirectory = {
  /** The live key with this SHA-256 hash; null when there is none, it was revoked or its tenant deleted. */
  findApiKey: (keyHash: Uint8Array) => Promise<ApiKey | null>;
  loadRouting: (tenantId: TenantId) => Promise<TenantRouting>;
};

/** A provider key ready to be used for a call. */
export type ProviderCredential = {
  id: ProviderKeyId;
  tenantId: TenantId;
  provider: ProviderId;
  secret: string;
  /** Null for the provider's own address. */
  baseUrl: string | null;
};

/** Opens a tenant's provider key; only workers hold one of these. */
export type ProviderCredentials = {
  /** Null when the key does not exist, is not this tenant's, or was deleted. */
  open: (tenantId: TenantId, id: ProviderKeyId) => Promise<ProviderCredential | null>;
};

export type ConfigurationChanges = {
  announce: (change: ConfigurationChange) => void;
  /** Calls back for every change, and with null when changes may have been missed. */
  subscribe: (onChange: (change: ConfigurationChange | null) => void) => void;
};

/** Names by which the same caller is known in a log line. */
export type CallerIds = { tenantId: TenantId; apiKeyId: ApiKeyId };
