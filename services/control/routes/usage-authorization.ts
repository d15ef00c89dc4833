import type { FastifyRequest } from 'fastify';
import type { TenantId } from '#contracts/ids';
import type { ApiKey, ApiKeyScope } from '#domain/api-key';

/** Who asks: the root key, or an API key bound to its tenant. */
export type Principal = { kind: 'root' } | { kind: 'api_key'; apiKey: ApiKey };

/**
 * Rejects with `missing_key`, `invalid_key` or `forbidden`. Without `tenantId` a key is let in for its own
 * tenant. `tenant:admin` includes every other scope.
 */
export type Authorize = (
  request: FastifyRequest,
  need: { tenantId?: TenantId; scope: ApiKeyScope },
) => Promise<Principal>;
