import type { FastifyRequest } from 'fastify';
import type { TenantId } from '#contracts/ids';
import type { ApiKey, ApiKeyScope } from '#domain/api-key';
import { FloError } from '#domain/errors';

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

/** Whose usage is read: null for every tenant's. Throws `FloError` `forbidden` for another's. */
export const readTenantOf = (principal: Principal, asked: TenantId | undefined): TenantId | null => {
  if (principal.kind === 'root') return asked ?? null;
  const { tenantId } = principal.apiKey;
  if (asked === undefined || asked === tenantId) return tenantId;
  throw new FloError('forbidden', 'This API key may read only its own tenant; leave tenant out.', {
    param: 'tenant',
  });
};
