import { createHmac } from 'node:crypto';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import { createUpstreamClient } from '#http/upstream-client';
import { createKeyAlerts } from '#postgres/key-alerts';
import { createLedger } from '#postgres/ledger';
import { inTransaction } from '#postgres/transaction';
import { createWebhookDeliveries } from '#postgres/webhook-deliveries';
import { enqueueWebhooks } from '#postgres/webhook-outbox';
import { providerKeyId as providerKeyIdSchema } from '#contracts/ids';
import type { KeyTrouble } from '#domain/key-health';
import type { Service } from '#runtime/service';
import { createWebhookSender } from '#runtime/webhook-sender';
import { attemptEventOf } from '#test/support/attempt-events';
import { openControlPlane, type Json, type TestControlPlane } from '#test/support/control-plane';
import {
  startWebhookReceiver,
  type ReceivedWebhook,
  type WebhookReceiver,
} from '#test/support/webhook-receiver';

let control: TestControlPlane;
let receiver: WebhookReceiver;
let sender: Service | null = null;
let tenant: string;

const http = createUpstreamClient({ allowPrivate: true });

beforeAll(async () => {
  control = await openControlPlane();
  receiver = await startWebhookReceiver();
});
beforeEach(async () => {
  receiver.received.length = 0;
  receiver.answers.length = 0;
  tenant = String((await control.call('POST', '/tenants', { name: 'hooked' })).json['id']);
});
afterEach(async () => {
  await sender?.stop();
  sender = null;
});
afterAll(async () => {
  await http.close();
  receiver.close();
  await control.close();
});

const startSender = async (): Promise<void> => {
  sender = createWebhookSender({
    deliveries: createWebhookDeliveries(control.database),
    vault: control.vault,
    http,
    logger: { info: () => undefined, warn: () => undefined, error: () => undefined },
    pollMs: 20,
  });
  await sender.start();
};

const createEndpoint = async (path: string): Promise<{ id: string; secret: string }> => {
  const { json } = await control.call('POST', `/tenants/${tenant}/webhook-endpoints`, {
    url: `${receiver.url}${path}`,
  });
  return { id: String(json['id']), secret: String(json['secret']) };
};

const enqueue = async (endpointId: string, type = 'test.event'): Promise<string> => {
  const [id] = await inTransaction(control.database, (client) =>
    enqueueWebhooks(client, [{ tenantId: tenant, endpointId, type, data: { about: type } }]),
  );
  if (id === undefined) throw new Error('nothing was written');
  return id;
};

const signedWith = ({ headers, body }: ReceivedWebhook, secret: string): string => {
  const key = Buffer.from(secret.slice('whsec_'.length), 'base64');
  const content = `${headers['webhook-id'] as string}.${headers['webhook-timestamp'] as string}.${body}`;
  return `v1,${createHmac('sha256', key).update(content).digest('base64')}`;
};

const delivery = async (id: string): Promise<Json> =>
  (await control.call('GET', `/tenants/${tenant}/webhook-deliveries/${id}`)).json;

const reaches = (id: string, status: string) =>
  vi.waitFor(async () => expect(await delivery(id)).toMatchObject({ status }), {
    timeout: 10_000,
    interval: 20,
  });

const first = (): ReceivedWebhook => {
  const [message] = receiver.received;
  if (message === undefined) throw new Error('nothing was received');
  return message;
};

describe('webhooks', () => {
  it('tell of a budget’s alerts once each, signed, after the cost that reached them is in the ledger', async () => {
    const budget = await control.call('POST', `/tenants/${tenant}/budgets`, {
      period: 'total',
      limit: '0.0003',
      alerts: [50, 100, 200],
      webhook: { url: `${receiver.url}/budgets` },
    });
    expect(budget.status).toBe(201);
    const secret = String(budget.json['webhook_secret']);
    const ledger = createLedger(control.database);
    const record = (sequence: bigint) => {
      const event = attemptEventOf({ tenantId: tenant as never });
      const charged = 210_000_000n;
      return ledger.recordEvents([
        {
          event,
          counted: null,
          pricing: {
            kind: 'priced',
            tier: 'standard',
            charges: [],
            costPicoUsd: charged,
            listCostPicoUsd: charged,
            reason: null,
          },
          stream: 'TEST',
          streamSequence: sequence,
          payloadHash: 'ab'.repeat(32),
          bytes: Buffer.from('{}'),
        },
      ]);
    };
    await startSender();
    await record(1n);
    await vi.waitFor(() => expect(receiver.received).toHaveLength(1), { timeout: 10_000 });
    await record(2n);
    await vi.waitFor(() => expect(receiver.received).toHaveLength(2), { timeout: 10_000 });
    for (const message of receiver.received) {
      expect(message.headers['webhook-signature']).toBe(signedWith(message, secret));
    }
    const told = receiver.received.map(({ body }) => JSON.parse(body) as { type: string; data: Json });
    expect(told.map(({ type }) => type)).toEqual(['budget.alert', 'budget.alert']);
    expect(told.map(({ data }) => [data['threshold_percent'], data['used'], data['limit']])).toEqual([
      [50, '0.00021', '0.0003'],
      [100, '0.00042', '0.0003'],
    ]);
    const shown = await control.call('GET', `/tenants/${tenant}/budgets/${String(budget.json['id'])}`);
    expect(shown.json).toMatchObject({ spent: '0.00042', remaining: '0', alerts_reached: [50, 100] });
    expect(shown.text).not.toContain(secret);
  });

  it('are tried again with the same id until they are taken, and every try is shown', async () => {
    const endpoint = await createEndpoint('/flaky');
    receiver.answers.push({ status: 500 }, { status: 302, headers: { location: 'http://169.254.169.254/' } });
    const id = await enqueue(endpoint.id);
    await startSender();
    for (const tries of [1, 2]) {
      await vi.waitFor(async () => expect((await delivery(id))['tries']).toHaveLength(tries), {
        timeout: 10_000,
      });
      const { next_try_at: nextTryAt } = await delivery(id);
      expect(Date.parse(String(nextTryAt))).toBeGreaterThan(Date.now() + 3_000);
      await control.database.pool.query('update webhook_delivery set next_try_at = now() where id = $1', [
        id,
      ]);
    }
    await reaches(id, 'delivered');
    expect((await delivery(id))['tries']).toMatchObject([{ status: 500 }, { status: 302 }, { status: 204 }]);
    expect(new Set(receiver.received.map(({ headers }) => headers['webhook-id']))).toEqual(new Set([id]));

    const again = await control.call('POST', `/tenants/${tenant}/webhook-deliveries/${id}/resend`);
    expect(again.status).toBe(202);
    await vi.waitFor(() => expect(receiver.received).toHaveLength(4), { timeout: 10_000 });
    await reaches(id, 'delivered');
  });

  it('are signed with the old secret too while a rotation overlaps', async () => {
    const endpoint = await createEndpoint('/rotated');
    const rotated = await control.call('POST', `/tenants/${tenant}/webhook-endpoints/${endpoint.id}/rotate`);
    const id = await enqueue(endpoint.id);
    await startSender();
    await reaches(id, 'delivered');
    const message = first();
    expect(String(message.headers['webhook-signature']).split(' ')).toEqual([
      signedWith(message, String(rotated.json['secret'])),
      signedWith(message, endpoint.secret),
    ]);
  });

  it('end at an address that is gone until it is enabled again', async () => {
    const endpoint = await createEndpoint('/gone');
    receiver.answers.push({ status: 410 });
    const id = await enqueue(endpoint.id);
    const waiting = await enqueue(endpoint.id);
    await startSender();
    await reaches(id, 'discarded');
    await reaches(waiting, 'discarded');
    const path = `/tenants/${tenant}/webhook-endpoints/${endpoint.id}`;
    expect((await control.call('GET', path)).json['disabled_reason']).toContain('410');
    await reaches(await enqueue(endpoint.id), 'discarded');
    expect(receiver.received).toHaveLength(1);

    await control.call('POST', `${path}/enable`);
    await reaches(await enqueue(endpoint.id), 'delivered');
  });

  it('tell of a key that fell once, whoever writes it how often, and only where such events are asked for', async () => {
    const path = `/tenants/${tenant}/webhook-endpoints`;
    const events = ['provider_key.quarantined'];
    const asking = await control.call('POST', path, { url: `${receiver.url}/keys`, events });
    expect(asking.json).toMatchObject({ events });
    const silent = await createEndpoint('/silent');
    const refused = await control.call('POST', path, { url: `${receiver.url}/keys`, events: ['job.ended'] });
    expect(refused).toMatchObject({ status: 400, json: { error: { param: 'events.0' } } });
    const other = String((await control.call('POST', '/tenants', { name: 'other' })).json['id']);
    await control.call('POST', `/tenants/${other}/webhook-endpoints`, {
      url: `${receiver.url}/other`,
      events,
    });
    const key = await control.call('POST', `/tenants/${tenant}/provider-keys`, {
      provider: 'openai',
      name: 'main',
      secret: 'sk-rejected-by-its-provider',
    });
    const providerKeyId = providerKeyIdSchema.parse(key.json['id']);
    const fell = (reason: KeyTrouble['reason'], fellAtMs: number, sinceMs = fellAtMs) => ({
      providerKeyId,
      trouble: {
        reason,
        code: 'authentication' as const,
        fellAtMs,
        sinceMs,
        probeAtMs: sinceMs + 30_000,
        keptMs: 30_000,
      },
    });
    const { tell } = createKeyAlerts(control.database);
    const parked = fell('parked', 2_000);
    await Promise.all([tell([fell('quarantined', 1_000), parked]), tell([fell('quarantined', 1_000)])]);
    await tell([parked, fell('quarantined', 1_000, 31_000)]);
    const written = async (): Promise<unknown[]> => {
      const listed = await control.call('GET', `/tenants/${tenant}/webhook-deliveries`);
      return (listed.json['data'] as Json[]).map((each) => [each['type'], each['webhook_endpoint']]);
    };
    const toAsking = ['provider_key.quarantined', asking.json['id']];
    expect(await written()).toEqual([toAsking]);

    // Once more where it fell again, and to whoever asks for it by then.
    await control.call('PATCH', `${path}/${silent.id}`, { events });
    await tell([fell('quarantined', 90_000)]);
    expect(await written()).toHaveLength(3);
    expect(await written()).toContainEqual(['provider_key.quarantined', silent.id]);
    await startSender();
    await vi.waitFor(() => expect(receiver.received).toHaveLength(3), { timeout: 10_000 });
    const said = receiver.received.map((each) => [each.path, JSON.parse(each.body) as Json] as const);
    expect(said.map(([at]) => at).toSorted()).toEqual(['/keys', '/keys', '/silent']);
    expect(said[0]?.[1]).toMatchObject({
      type: 'provider_key.quarantined',
      data: {
        id: providerKeyId,
        provider: 'openai',
        name: 'main',
        status: 'quarantined',
        status_detail: { code: 'authentication', since: '1970-01-01T00:00:01.000Z' },
      },
    });
  });

  it('go only where flo2 may call, and are no other tenant’s to see', async () => {
    const guarded = await openControlPlane({ allowPrivateUpstreams: false });
    try {
      const { json } = await guarded.call('POST', '/tenants', { name: 'guarded' });
      const path = `/tenants/${String(json['id'])}/webhook-endpoints`;
      const refused = await guarded.call('POST', path, { url: 'http://169.254.169.254/latest' });
      expect(refused).toMatchObject({ status: 400, json: { error: { param: 'webhook' } } });
    } finally {
      await guarded.close();
    }
    const endpoint = await createEndpoint('/own');
    const id = await enqueue(endpoint.id);
    const other = String((await control.call('POST', '/tenants', { name: 'other' })).json['id']);
    expect((await control.call('GET', `/tenants/${other}/webhook-deliveries/${id}`)).status).toBe(404);
    const listed = await control.call('GET', `/tenants/${other}/webhook-deliveries`);
    expect(listed.json['data']).toEqual([]);
  });
});
