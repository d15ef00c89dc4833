/** One of several keys that its provider rejects, seen from the whole fleet. */
import { tagOf, type Scenario } from '../scenario.ts';
import { ingressUrls, sendCount } from './traffic.ts';

const REQUESTS = 90;
const AT_ONCE = 8;
const NOTICED = '"msg":"a provider key is not used for now"';

const rejectedKey: Scenario = {
  id: 'F16',
  title: 'one of three keys answers 401: met by no client, set aside once, fleet-wide',
  atOnce: 10,
  recoveryMaxMs: 10_000,
  run: async ({ rig, seed, random }) => {
    const tenant = await rig.createTenant(tagOf('F16', seed), {
      providerKeys: [{ provider: 'openai' }, { provider: 'openai' }, { provider: 'openai' }],
    });
    const rejected = Math.floor(random() * 3);
    const [secret, keyId] = [tenant.providerSecrets[rejected] ?? '', tenant.providerKeyIds[rejected] ?? ''];
    rig.simulator.setBehaviour({ match: { key: secret }, behaviour: { status: 401 } });
    const urls = ingressUrls(rig);
    let sent = 0;
    const requests = await sendCount(REQUESTS, AT_ONCE, () => {
      sent += 1;
      return { url: urls[sent % urls.length] ?? '', tenant, model: 'openai/gpt-4o-mini' };
    });
    const faultAtMs = Date.now();
    const calls = rig.callsOf([tenant]).filter(({ credential }) => credential === secret).length;
    const fleet = Object.values(rig.roles).flat();
    const noticed = fleet.flatMap((running) =>
      running
        .output()
        .split('\n')
        .filter((line) => line.includes(NOTICED) && line.includes(keyId)),
    ).length;
    const violations: string[] = [];
    if (noticed !== 1) violations.push(`the key was set aside ${noticed} times`);
    // What was under way with it when the first answer came.
    if (calls > AT_ONCE) violations.push(`the key was called ${calls} times`);
    return {
      tenants: [tenant],
      requests,
      faultAtMs,
      allowed: [],
      violations,
      figures: { 'calls with the key': calls, 'set aside': noticed },
    };
  },
};

export const keyScenarios: readonly Scenario[] = [rejectedKey];
