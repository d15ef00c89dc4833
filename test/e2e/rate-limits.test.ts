/** A provider's limits, shared by the workers of several processes. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { offerOverLimit } from '#test/support/rate-limit-load';
import { openRoleEnvironment, type RoleEnvironment } from '#test/support/role-environment';
import { createTenant } from '#test/support/tenant';

const LIMITS = { requestsPerMinute: 600, tokensPerMinute: 100_000 };

let surroundings: RoleEnvironment;
let control: { url: string; adminKey: string };
let ingressUrl: string;

beforeAll(async () => {
  surroundings = await openRoleEnvironment();
  const { start, adminKey } = surroundings;
  const [controlRole, ingress] = await Promise.all([
    start('control'),
    start('ingress'),
    start('worker'),
    start('worker'),
  ]);
  control = { url: controlRole.url ?? '', adminKey };
  ingressUrl = ingress.url ?? '';
}, 120_000);

afterAll(() => surroundings.close());

describe('a key that is offered three times its limit by two workers', () => {
  it('is used to the limit, while its provider refuses nothing', { timeout: 60_000 }, async () => {
    const { simulator } = surroundings;
    const { apiKey, providerSecrets } = await createTenant(control, {
      simulatorUrl: simulator.url,
      providerKeys: [{ provider: 'openai' }],
    });
    // A small burst, so that the limit is met within the test and not only after a minute.
    simulator.setLimits({ match: { key: providerSecrets[0] ?? '' }, limits: { ...LIMITS, burstSeconds: 6 } });
    const figures = await offerOverLimit({
      url: ingressUrl,
      apiKey,
      model: 'openai/gpt-4o-mini',
      simulator,
      limits: LIMITS,
      times: 3,
      durationMs: 12_000,
      warmUpMs: 2_000,
      timeoutMs: 5_000,
    });
    expect(figures.limited).toBe(0);
    expect(figures.usedShare).toBeGreaterThan(0.9);
    // What goes out just before its deadline may miss it.
    expect(figures.otherwise).toBeLessThan(figures.offered * 0.02);
    expect(figures.answered + figures.refused + figures.otherwise).toBe(figures.offered);
  });
});
