/** F2, F7, F8: a worker that is stopped and continued; Postgres and NATS that go away and come back. */
import { setTimeout as sleep } from 'node:timers/promises';
import { send } from '../history.ts';
import { pick, tagOf, type Scenario } from '../scenario.ts';
import { ingressUrls, mixed, sendCount, sendUntil, tookMs } from './traffic.ts';

/** Twice the acknowledgement's wait. */
const STOPPED_MS = 10_000;

const stoppedWorker: Scenario = {
  id: 'F2',
  title: 'SIGSTOP of a worker for twice the acknowledgement’s wait, then SIGCONT',
  atOnce: 5,
  recoveryMaxMs: 10_000,
  run: async ({ rig, seed, random }) => {
    const tenant = await rig.createTenant(tagOf('F2', seed));
    const victim = await rig.spawn('worker');
    let isOver = false;
    const sending = sendUntil(4, mixed(rig, tenant, random), () => isOver);
    await sleep(pick(random, 100, 400));
    victim.kill('SIGSTOP');
    await sleep(STOPPED_MS);
    victim.kill('SIGCONT');
    await sleep(500);
    isOver = true;
    const requests = await sending;
    const faultAtMs = Date.now();
    victim.kill('SIGTERM');
    await victim.exited;
    return { tenants: [tenant], requests, faultAtMs, allowed: ['unknown'], violations: [] };
  },
};

const postgresDown: Scenario = {
  id: 'F7',
  title: 'Postgres down; keys that were used go on working',
  atOnce: 1,
  recoveryMaxMs: 30_000,
  run: async ({ rig, seed, random, isFull }) => {
    const tenant = await rig.createTenant(tagOf('F7', seed));
    const stranger = await rig.createTenant(tagOf('F7stranger', seed));
    const next = mixed(rig, tenant, random);
    // Every ingress and worker has seen the tenant before.
    const before = await sendCount(48, 24, next);
    await rig.stopPostgres();
    let isOver = false;
    const sending = sendUntil(4, next, () => isOver);
    const violations: string[] = [];
    try {
      for (const url of ingressUrls(rig)) {
        const refused = await send({ url, tenant: stranger, model: 'openai/gpt-4o-mini' });
        if (refused.status !== 503) violations.push(`an unknown key was answered ${refused.status}`);
      }
      await sleep(isFull ? 300_000 : 1_500);
    } finally {
      await rig.startPostgres();
    }
    const faultAtMs = Date.now();
    isOver = true;
    return {
      tenants: [tenant],
      requests: [...before, ...(await sending)],
      faultAtMs,
      allowed: [],
      violations,
    };
  },
};

const natsDown: Scenario = {
  id: 'F8',
  title: 'NATS down; refused at once with a Retry-After, and no memory gathers',
  atOnce: 1,
  recoveryMaxMs: 20_000,
  run: async ({ rig, seed, random, isFull }) => {
    const tenant = await rig.createTenant(tagOf('F8', seed));
    const next = mixed(rig, tenant, random);
    const before = await sendCount(16, 8, next);
    const inFlight = sendCount(8, 8, () => ({
      ...next(),
      model: 'openai/gpt-4o-mini-sim-pace-20',
      stream: true,
    }));
    await sleep(pick(random, 20, 120));
    const peaks = await Promise.all(rig.roles.ingress.map(rig.peakMiB));
    await rig.stopNats();
    const downAtMs = Date.now();
    const violations: string[] = [];
    let slowestMs = 0;
    let refusals = 0;
    try {
      const upAtMs = downAtMs + (isFull ? 60_000 : 2_000);
      while (Date.now() < upAtMs) {
        const refused = await send(next());
        // Within the first moments the loss of the connection is not known yet.
        if (refused.startedAtMs < downAtMs + 250) continue;
        slowestMs = Math.max(slowestMs, tookMs(refused));
        refusals += 1;
        if (refused.status !== 503 || refused.retryAfter === null) {
          violations.push(`a request was ${refused.ending} (${refused.status}, ${refused.code ?? ''})`);
        }
        await sleep(20);
      }
    } finally {
      await rig.startNats();
    }
    const faultAtMs = Date.now();
    if (slowestMs > 1_000) violations.push(`a refusal took ${slowestMs} ms`);
    const after = await Promise.all(rig.roles.ingress.map(rig.peakMiB));
    const grownMiB = Math.max(...after.map((peak, index) => (peak ?? 0) - (peaks[index] ?? 0)));
    if (grownMiB > 64) violations.push(`an ingress grew by ${grownMiB} MiB`);
    let answers = await send(next());
    while (answers.ending !== 'answered' && Date.now() < faultAtMs + 15_000) {
      await sleep(50);
      answers = await send(next());
    }
    return {
      tenants: [tenant],
      requests: [...before, ...(await inFlight), answers],
      faultAtMs,
      allowed: ['unknown', 'failed', 'refused'],
      violations,
      figures: { 'slowest refusal ms': slowestMs, refusals, 'ingress grown MiB': grownMiB },
    };
  },
};

export const outageScenarios: readonly Scenario[] = [stoppedWorker, postgresDown, natsDown];
