/** F22: every role is replaced, one process after another, while requests come. */
import { Agent } from 'node:http';
import { startBalancer } from '../balancer.ts';
import type { Role } from '../rig.ts';
import { tagOf, type Scenario } from '../scenario.ts';
import { mixed, sendUntil } from './traffic.ts';

const ROLLED: readonly Role[] = ['ingress', 'worker', 'metering', 'jobs', 'control'];

const rollingRestart: Scenario = {
  id: 'F22',
  title: 'a rolling restart of every role under load',
  atOnce: 1,
  recoveryMaxMs: 20_000,
  run: async ({ rig, seed, random }) => {
    const tenant = await rig.createTenant(tagOf('F22', seed));
    const balancer = await startBalancer();
    const point = (): void => balancer.setTargets(rig.roles.ingress.flatMap(({ url }) => url ?? []));
    point();
    await balancer.ready(rig.roles.ingress.length);
    const agent = new Agent({ keepAlive: true, maxSockets: 16 });
    const next = mixed(rig, tenant, random);
    let isOver = false;
    const sending = sendUntil(
      8,
      () => ({ ...next(), url: balancer.url, agent }),
      () => isOver,
    );
    const violations: string[] = [];
    for (const role of ROLLED) {
      // One replica in a seed: over the seeds each is replaced many times.
      const old = rig.roles[role].shift();
      rig.roles[role].push(await rig.spawn(role));
      if (role === 'ingress') {
        balancer.setTargets([old?.url ?? '', ...rig.roles.ingress.flatMap(({ url }) => url ?? [])]);
        await balancer.ready(rig.roles.ingress.length + 1);
      }
      old?.kill('SIGTERM');
      const exit = await old?.exited;
      if (exit?.code !== 0) violations.push(`the old ${role} ended with ${JSON.stringify(exit)}`);
      point();
    }
    isOver = true;
    const requests = await sending;
    const faultAtMs = Date.now();
    agent.destroy();
    await balancer.close();
    return { tenants: [tenant], requests, faultAtMs, allowed: [], violations };
  },
};

export const rollingScenarios: readonly Scenario[] = [rollingRestart];
