/** Several keys of one provider, and targets chosen by more than their order. */
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { startStack, type Stack } from '#test/support/stack';
import { callControl, type TestTenant } from '#test/support/tenant';

let stack: Stack;

beforeAll(async () => {
  stack = await startStack();
}, 120_000);

afterAll(async () => {
  await stack.close();
});

const chat = (tenant: TestTenant, model: string, content = 'hello', messages: object[] = []) =>
  fetch(`${stack.flo2.url}/v1/chat/completions`, {
    method: 'POST',
    headers: { authorization: `Bearer ${tenant.apiKey}`, 'content-type': 'application/json' },
    body: JSON.stringify({ model, messages: [{ role: 'user', content }, ...messages] }),
  });

const callsWith = (credential: string | undefined) =>
  stack.simulator.log.attempts.filter((call) => call.credential === credential && call.method === 'POST');

const readKey = (tenant: TestTenant, index: number) =>
  callControl(stack.flo2, 'GET', `/tenants/${tenant.tenantId}/provider-keys/${tenant.providerKeyIds[index]}`);

const THREE_KEYS = {
  providerKeys: [{ provider: 'openai' }, { provider: 'openai' }, { provider: 'openai' }],
} as const;

describe('a key that its provider rejects, one of three', () => {
  it('is met by no client, is called once or a few at once, and is shown as quarantined until it is rotated', async () => {
    const tenant = await stack.createTenant(THREE_KEYS);
    const rejected = tenant.providerSecrets[1] ?? '';
    stack.simulator.setBehaviour({ match: { key: rejected }, behaviour: { status: 401 } });

    const answers = await Promise.all(
      Array.from({ length: 30 }, (_, index) => chat(tenant, 'openai/gpt-4o-mini', `first ${index}`)),
    );
    expect(answers.map(({ status }) => status)).toEqual(Array.from({ length: 30 }, () => 200));
    await vi.waitFor(
      async () =>
        expect(await readKey(tenant, 1)).toMatchObject({
          status: 'quarantined',
          status_detail: { code: 'authentication' },
        }),
      { timeout: 15_000 },
    );
    const before = callsWith(rejected).length;
    expect(before).toBeGreaterThan(0);
    for (let index = 0; index < 30; index += 1) {
      expect((await chat(tenant, 'openai/gpt-4o-mini', `then ${index}`)).status).toBe(200);
    }
    expect(callsWith(rejected)).toHaveLength(before);

    stack.simulator.clearBehaviours();
    const path = `/tenants/${tenant.tenantId}/provider-keys/${tenant.providerKeyIds[1]}/rotate`;
    await callControl(stack.flo2, 'POST', path, { secret: 'sk-rotated-and-well-again' });
    await vi.waitFor(async () => expect(await readKey(tenant, 1)).toMatchObject({ status: 'active' }), {
      timeout: 15_000,
    });
    await Promise.all(
      Array.from({ length: 30 }, (_, index) => chat(tenant, 'openai/gpt-4o-mini', `last ${index}`)),
    );
    expect(callsWith('sk-rotated-and-well-again').length).toBeGreaterThan(0);
  });

  it('is told to the client only where no other key is left, without a further call', async () => {
    const tenant = await stack.createTenant({ providerKeys: [{ provider: 'openai' }] });
    const [secret] = tenant.providerSecrets;
    stack.simulator.setBehaviour({ match: { key: secret ?? '' }, behaviour: { status: 401 } });
    expect((await chat(tenant, 'openai/gpt-4o-mini')).status).toBe(502);
    await vi.waitFor(async () => expect(await readKey(tenant, 0)).toMatchObject({ status: 'quarantined' }), {
      timeout: 15_000,
    });
    const before = callsWith(secret).length;
    const answer = await chat(tenant, 'openai/gpt-4o-mini');
    expect(answer.status).toBe(502);
    expect(await answer.text()).toContain('rejected the registered key');
    expect(callsWith(secret)).toHaveLength(before);
    stack.simulator.clearBehaviours();
  });
});

describe('a conversation', () => {
  it('keeps to one key in all its turns', async () => {
    const tenant = await stack.createTenant(THREE_KEYS);
    const turns: object[] = [];
    for (let turn = 0; turn < 6; turn += 1) {
      expect((await chat(tenant, 'openai/gpt-4o-mini', 'how we began', turns)).status).toBe(200);
      turns.push({ role: 'assistant', content: `answer ${turn}` }, { role: 'user', content: `more ${turn}` });
    }
    const used = tenant.providerSecrets.filter((secret) => callsWith(secret).length > 0);
    expect(used).toHaveLength(1);
  });
});

describe('a route that is', () => {
  const providersOf = async (tenant: TestTenant, route: string, count: number): Promise<string[]> => {
    const providers: string[] = [];
    for (let index = 0; index < count; index += 1) {
      const answer = await chat(tenant, route, `${route} ${index}`);
      expect(answer.status).toBe(200);
      providers.push(answer.headers.get('x-flo2-provider') ?? '');
    }
    return providers;
  };

  it('weighted spreads its requests by weight', async () => {
    const targets = [
      { model: 'openai/gpt-4o-mini', weight: 1 },
      { model: 'anthropic/claude-haiku-4-5', weight: 9 },
    ];
    const tenant = await stack.createTenant({ routes: { spread: { strategy: 'weighted', targets } } });
    const providers = await providersOf(tenant, 'spread', 40);
    const anthropic = providers.filter((provider) => provider === 'anthropic').length;
    expect(anthropic).toBeGreaterThan(28);
    expect(anthropic).toBeLessThan(40);
  });

  it('cheapest goes to the lower price', async () => {
    const targets = [{ model: 'anthropic/claude-haiku-4-5' }, { model: 'openai/gpt-4o-mini' }];
    const tenant = await stack.createTenant({ routes: { thrifty: { strategy: 'cheapest', targets } } });
    expect(new Set(await providersOf(tenant, 'thrifty', 3))).toEqual(new Set(['openai']));
  });

  it('cheapest goes to the lower price for a job too', async () => {
    const targets = [{ model: 'anthropic/claude-haiku-4-5' }, { model: 'openai/gpt-4o-mini' }];
    const tenant = await stack.createTenant({ routes: { thrifty: { strategy: 'cheapest', targets } } });
    const messages = [{ role: 'user', content: 'hello' }];
    const answer = await fetch(`${stack.flo2.url}/v1/jobs`, {
      method: 'POST',
      headers: { authorization: `Bearer ${tenant.apiKey}`, 'content-type': 'application/json' },
      body: JSON.stringify({ endpoint: '/v1/chat/completions', body: { model: 'thrifty', messages } }),
    });
    expect(answer.status).toBe(202);
    const [anthropic, openai] = [tenant.providerSecrets[1], tenant.providerSecrets[0]];
    await vi.waitFor(() => expect(callsWith(openai)).toHaveLength(1), { timeout: 20_000 });
    expect(callsWith(anthropic)).toHaveLength(0);
  });

  it('fastest goes to the shorter time to the first token, once both are known', async () => {
    const targets = [
      { model: 'openai/gpt-4o-mini-sim-latency-400' },
      { model: 'anthropic/claude-haiku-4-5' },
    ];
    const tenant = await stack.createTenant({ routes: { quick: { strategy: 'fastest', targets } } });
    await vi.waitFor(
      async () => {
        const providers = await providersOf(tenant, 'quick', 4);
        expect(providers.filter((provider) => provider === 'anthropic').length).toBeGreaterThanOrEqual(3);
      },
      { timeout: 20_000 },
    );
  });
});
