/**
 * Whose rows there are. Connections work as one of two roles of the database: `flo2_fleet`, for which all
 * rows exist, or `flo2_tenant`, for which only one tenant's do, whatever a statement asks for. Work that is
 * done for one tenant runs as the second.
 */
import { AsyncLocalStorage } from 'node:async_hooks';
import type { TenantId } from '#contracts/ids';

/** Null: every tenant's. */
export type TenantScope = { tenantId: TenantId | null };

const scopes = new AsyncLocalStorage<TenantScope>();

export const currentTenant = (): TenantId | null => scopes.getStore()?.tenantId ?? null;

/** Runs work for which only this tenant's rows exist; all rows do where it is null. */
export const inTenant = <Result>(tenantId: TenantId | null, work: () => Result): Result =>
  scopes.run({ tenantId }, work);

/** Runs a request whose tenant is not known yet; `narrowToTenant` says it later. */
export const inOpenScope = (work: () => void): void => scopes.run({ tenantId: null }, work);

/** From now on only this tenant's rows exist for the request under way. Throws outside of one. */
export const narrowToTenant = (tenantId: TenantId): void => {
  const scope = scopes.getStore();
  if (scope === undefined) throw new Error('there is no request to narrow to a tenant');
  scope.tenantId = tenantId;
};
