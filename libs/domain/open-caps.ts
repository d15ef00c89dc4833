import type { TenantId } from '#contracts/ids';
import { FloError } from './errors.ts';

const TOTAL_MAX = 10_000;
const TENANT_MAX = 4_000;
const TENANT_MODEL_MAX = 1_000;
/** A place is free again when one of thousands ends: soon. */
const RETRY_AFTER_MS = 1_000;

const countDown = <Name>(counts: Map<Name, number>, name: Name): void => {
  const left = (counts.get(name) ?? 0) - 1;
  if (left > 0) counts.set(name, left);
  else counts.delete(name);
};

/**
 * How many requests one process holds open at once, waiting ones included: in total, of a tenant, and of a
 * tenant for one model. A tenant that is over its own part is told so (429); everybody is told where the
 * process has no more (503). So one tenant's flood takes at most its part of the memory.
 *
 *   outside ──enter──▶ open ──leave──▶ outside
 *
 * Invariant: what has entered is counted until its `leave` is called, once however often it is called.
 */
export class OpenCaps {
  readonly #byTenant = new Map<TenantId, number>();
  readonly #byModel = new Map<string, number>();
  #total = 0;

  /** Throws `unavailable` where the process holds as many as it can; needs to know nothing of the request. */
  checkTotal(): void {
    if (this.#total < TOTAL_MAX) return;
    throw new FloError('unavailable', 'Too many requests are open. Try again shortly.', {
      retryAfterMs: RETRY_AFTER_MS,
    });
  }

  /** Whether the tenant holds its part; needs no body. */
  isFullFor(tenantId: TenantId): boolean {
    return (this.#byTenant.get(tenantId) ?? 0) >= TENANT_MAX;
  }

  /** Throws `queue_full` where the tenant holds its part. */
  checkTenant(tenantId: TenantId): void {
    if (!this.isFullFor(tenantId)) return;
    throw new FloError('queue_full', `This tenant has ${TENANT_MAX} requests open, as many as it may.`, {
      retryAfterMs: RETRY_AFTER_MS,
    });
  }

  /** Counts a request in, or throws; the result counts it out. */
  enter(tenantId: TenantId, model: string): () => void {
    this.checkTotal();
    this.checkTenant(tenantId);
    const name = `${tenantId}/${model}`;
    const ofModel = this.#byModel.get(name) ?? 0;
    if (ofModel >= TENANT_MODEL_MAX) {
      throw new FloError(
        'queue_full',
        `This tenant has ${TENANT_MODEL_MAX} requests for this model open, as many as it may.`,
        { retryAfterMs: RETRY_AFTER_MS },
      );
    }
    this.#total += 1;
    this.#byTenant.set(tenantId, (this.#byTenant.get(tenantId) ?? 0) + 1);
    this.#byModel.set(name, ofModel + 1);
    let isOpen = true;
    return () => {
      if (!isOpen) return;
      isOpen = false;
      this.#total -= 1;
      countDown(this.#byTenant, tenantId);
      countDown(this.#byModel, name);
    };
  }
}
