/** F17, F18: messages that come several times and out of order, and messages that nobody can read. */
import { setTimeout as sleep } from 'node:timers/promises';
import { jetstream } from '@nats-io/jetstream';
import { headers, type NatsConnection } from '@nats-io/transport-node';
import { z } from 'zod';
import { connectNats } from '#nats/connection';
import { createLogger } from '#runtime/logger';
import type { Rig } from '../rig.ts';
import { pick, tagOf, type Scenario } from '../scenario.ts';
import { mixed, sendCount } from './traffic.ts';

const connect = (rig: Rig): Promise<NatsConnection> =>
  connectNats({
    url: rig.natsUrl,
    name: 'faults',
    logger: createLogger({ name: 'faults', level: 'silent', format: 'json' }),
  });

const REPEATED = 'flo2-faults-repeated';

/** Publishes everything of a tenant again, up to four times, each after a while of its own. */
const repeatMessages = (connection: NatsConnection, tenantId: string, random: () => number) => {
  const pending = new Set<Promise<void>>();
  let repeated = 0;
  const again = async (subject: string, data: Uint8Array, afterMs: number): Promise<void> => {
    await sleep(afterMs);
    const marked = headers();
    marked.set(REPEATED, '1');
    connection.publish(subject, data, { headers: marked });
  };
  const subscriptions = ['flo2.req.>', 'flo2.evt.>'].map((wildcard) =>
    connection.subscribe(wildcard, {
      callback: (error, message) => {
        if (error !== null || message.headers?.has(REPEATED) || !message.subject.endsWith(tenantId)) return;
        for (let count = pick(random, 0, 4); count > 0; count -= 1) {
          repeated += 1;
          const sent = again(message.subject, message.data.slice(), pick(random, 0, 400));
          pending.add(sent);
          void sent.finally(() => pending.delete(sent));
        }
      },
    }),
  );
  return {
    stop: async (): Promise<number> => {
      for (const subscription of subscriptions) subscription.unsubscribe();
      await Promise.all(pending);
      await connection.flush();
      return repeated;
    },
  };
};

const repeatedMessages: Scenario = {
  id: 'F17',
  title: 'each message delivered one to five times, out of order',
  atOnce: 4,
  recoveryMaxMs: 10_000,
  run: async ({ rig, seed, random }) => {
    const tenant = await rig.createTenant(tagOf('F17', seed));
    const connection = await connect(rig);
    const repeating = repeatMessages(connection, tenant.tenantId, random);
    await connection.flush();
    const requests = await sendCount(40, 8, mixed(rig, tenant, random));
    const faultAtMs = Date.now();
    await sleep(500);
    const repeated = await repeating.stop();
    await connection.close();
    const violations = repeated === 0 ? ['nothing was delivered twice'] : [];
    return {
      tenants: [tenant],
      requests,
      faultAtMs,
      allowed: [],
      violations,
      figures: { 'messages repeated': repeated },
    };
  },
};

const letters = z.object({ data: z.array(z.object({ subject: z.string(), reason: z.string() })) });

const poisonMessages: Scenario = {
  id: 'F18',
  title: 'messages that nobody can read, among others',
  atOnce: 1,
  recoveryMaxMs: 10_000,
  run: async ({ rig, seed, random }) => {
    const tenant = await rig.createTenant(tagOf('F18', seed));
    const connection = await connect(rig);
    await rig.control('DELETE', '/dead-letters?all=true');
    const count = pick(random, 2, 8);
    const subject = `flo2.req.i.openai.s.gpt-4o-mini.${tenant.tenantId}`;
    const sending = sendCount(60, 8, mixed(rig, tenant, random));
    for (let index = 0; index < count; index += 1) {
      const bytes = Buffer.from(Array.from({ length: pick(random, 0, 400) }, () => pick(random, 0, 255)));
      await jetstream(connection).publish(subject, bytes);
    }
    const requests = await sending;
    const faultAtMs = Date.now();
    const buried = async (): Promise<number> =>
      letters
        .parse(await rig.control('GET', '/dead-letters?limit=100'))
        .data.filter((letter) => letter.subject === subject && letter.reason === 'unreadable').length;
    while ((await buried()) < count && Date.now() < faultAtMs + 10_000) await sleep(100);
    const found = await buried();
    await connection.close();
    return {
      tenants: [tenant],
      requests,
      faultAtMs,
      allowed: [],
      violations: found === count ? [] : [`${found} of ${count} are among the dead letters`],
      figures: { 'poison messages': count },
    };
  },
};

export const queueScenarios: readonly Scenario[] = [repeatedMessages, poisonMessages];
