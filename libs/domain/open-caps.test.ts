import { describe, expect, it } from 'vitest';
import type { TenantId } from '#contracts/ids';
import { FloError } from './errors.ts';
import { OpenCaps } from './open-caps.ts';

const tenant = (number: number) => `ten_${number}` as TenantId;

const fill = (
  caps: OpenCaps,
  tenantId: TenantId,
  model: string,
): { leave: (() => void)[]; error: FloError } => {
  const leave: (() => void)[] = [];
  for (;;) {
    try {
      leave.push(caps.enter(tenantId, model));
    } catch (error) {
      if (error instanceof FloError) return { leave, error };
      throw error;
    }
  }
};

describe('the caps on open requests', () => {
  it('hold a tenant to its part for a model and in all, while others come in', () => {
    const caps = new OpenCaps();
    const first = fill(caps, tenant(1), 'a');
    expect(first.leave).toHaveLength(1_000);
    expect(first.error).toMatchObject({ code: 'queue_full', status: 429, retryAfterMs: 1_000 });
    caps.enter(tenant(1), 'b')();
    for (const model of ['b', 'c', 'd']) fill(caps, tenant(1), model);
    expect(() => caps.checkTenant(tenant(1))).toThrow('4000 requests open');
    expect(() => caps.enter(tenant(1), 'e')).toThrow('4000 requests open');
    caps.enter(tenant(2), 'a')();
  });

  it('answer 503 to everybody once the process is full, and let in again what leaves', () => {
    const caps = new OpenCaps();
    const leave: (() => void)[] = [];
    for (let number = 0; leave.length < 10_000; number += 1)
      leave.push(...fill(caps, tenant(number), 'a').leave);
    expect(() => caps.checkTotal()).toThrow(expect.objectContaining({ code: 'unavailable', status: 503 }));
    const [one] = leave;
    one?.();
    one?.();
    caps.enter(tenant(99), 'a');
    expect(() => caps.checkTotal()).toThrow();
  });
});
