/** Tenants are told of their keys that the fleet does not use. */
import { afterAll, beforeAll, expect, it, vi } from 'vitest';
import { startProcess, type StartedProcess } from '#test/support/flo2';
import { startStack, type Stack } from '#test/support/stack';
import { callControl } from '#test/support/tenant';
import { startWebhookReceiver, type WebhookReceiver } from '#test/support/webhook-receiver';

let stack: Stack;
let receiver: WebhookReceiver;
let other: StartedProcess;

beforeAll(async () => {
  [stack, receiver] = await Promise.all([startStack(), startWebhookReceiver()]);
  other = await startProcess('worker', {
    DATABASE_URL: stack.databaseUrl,
    NATS_URL: stack.natsUrl,
    FLO2_MASTER_KEY: stack.flo2.masterKey,
    FLO2_ALLOW_PRIVATE_UPSTREAMS: 'true',
  });
}, 120_000);

afterAll(async () => {
  other.kill('SIGKILL');
  await other.exited;
  receiver.close();
  await stack.close();
});

it('tells once of a key that two workers saw rejected, and of one whose quota is used up', async () => {
  const tenant = await stack.createTenant({
    providerKeys: [{ provider: 'openai' }, { provider: 'openai' }, { provider: 'openai' }],
  });
  await callControl(stack.flo2, 'POST', `/tenants/${tenant.tenantId}/webhook-endpoints`, {
    url: `${receiver.url}/keys`,
    events: ['provider_key.quarantined', 'provider_key.parked'],
  });
  const chatAtOnce = async (count: number): Promise<void> => {
    const answers = await Promise.all(
      Array.from({ length: count }, (_, index) =>
        fetch(`${stack.flo2.url}/v1/chat/completions`, {
          method: 'POST',
          headers: { authorization: `Bearer ${tenant.apiKey}`, 'content-type': 'application/json' },
          body: JSON.stringify({
            model: 'openai/gpt-4o-mini',
            messages: [{ role: 'user', content: `echo: ${index}` }],
          }),
        }),
      ),
    );
    expect(new Set(answers.map(({ status }) => status))).toEqual(new Set([200]));
  };
  const told = () =>
    receiver.received.map(({ path, body }) => {
      const { type, data } = JSON.parse(body) as { type: string; data: { id: string } };
      return { path, type, id: data.id };
    });
  const [, rejected, spent] = tenant.providerSecrets;
  const [, rejectedId, spentId] = tenant.providerKeyIds;

  stack.simulator.setBehaviour({ match: { key: rejected ?? '' }, behaviour: { status: 401 } });
  await chatAtOnce(40);
  const first = { path: '/keys', type: 'provider_key.quarantined', id: rejectedId };
  await vi.waitFor(() => expect(told()).toEqual([first]), { timeout: 20_000 });

  stack.simulator.setBehaviour({ match: { key: spent ?? '' }, behaviour: { status: 429, limit: 'quota' } });
  await chatAtOnce(40);
  const second = { path: '/keys', type: 'provider_key.parked', id: spentId };
  await vi.waitFor(() => expect(told()).toContainEqual(second), { timeout: 20_000 });
  expect(told()).toEqual([first, second]);
});
