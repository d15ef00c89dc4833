/** Who shares a provider's workers gets a part by weight, and nobody waits for what was there before. */
import OpenAI, { toFile } from 'openai';
import { afterAll, beforeAll, expect, it, vi } from 'vitest';
import { startStack, type Stack } from '#test/support/stack';
import { callControl, type TestTenant } from '#test/support/tenant';

let stack: Stack;

beforeAll(async () => {
  stack = await startStack({ workerQueuedConcurrency: 4 });
});
afterAll(() => stack.close());

const MODEL = 'openai/gpt-4o-mini-sim-latency-10-tokens-4';

const createTenant = async (weight: number): Promise<TestTenant> => {
  const tenant = await stack.createTenant({ providerKeys: [{ provider: 'openai' }] });
  await callControl(stack.flo2, 'PATCH', `/tenants/${tenant.tenantId}`, { weight });
  return tenant;
};

const submit = async ({ apiKey }: TestTenant, lines: number): Promise<() => Promise<unknown>> => {
  const client = new OpenAI({ apiKey, baseURL: `${stack.flo2.url}/v1`, maxRetries: 0 });
  const text = Array.from({ length: lines }, (_, index) =>
    JSON.stringify({
      custom_id: String(index),
      method: 'POST',
      url: '/v1/chat/completions',
      body: { model: MODEL, max_tokens: 8, messages: [{ role: 'user', content: 'Hi.' }] },
    }),
  ).join('\n');
  const file = await client.files.create({
    purpose: 'batch',
    file: await toFile(Buffer.from(text), 'in.jsonl'),
  });
  const { id } = await client.batches.create({
    input_file_id: file.id,
    endpoint: '/v1/chat/completions',
    completion_window: '24h',
  });
  return () => client.batches.cancel(id);
};

/** Whose key each call of a batch line was made with, in order. */
const callers = (): (string | null)[] => stack.simulator.log.attempts.map(({ credential }) => credential);

const keyOf = (tenant: TestTenant): string => tenant.providerSecrets[0] ?? '';

it('shares a provider’s workers by the tenants’ weights', async () => {
  const [small, large] = [await createTenant(1), await createTenant(3)];
  const cancels = [await submit(small, 1_500), await submit(large, 1_500)];
  // The queue held a window of the first before the second came, and the second is read ahead further from turn to
  // turn: what counts is behind that.
  const shared = await vi.waitFor(
    () => {
      const all = callers();
      const ofLarge = all.flatMap((key, index) => (key === keyOf(large) ? [index] : []));
      const from = ofLarge[240] ?? Number.POSITIVE_INFINITY;
      expect(all.length).toBeGreaterThanOrEqual(from + 720);
      return all.slice(from, from + 720);
    },
    { timeout: 55_000, interval: 50 },
  );
  for (const cancel of cancels) await cancel();
  const part = shared.filter((key) => key === keyOf(large)).length / shared.length;
  expect(part).toBeGreaterThan(0.75 * 0.9);
  expect(part).toBeLessThan(0.75 * 1.1);
});

it('serves a newcomer within one window, however much another has queued', async () => {
  const [full, newcomer] = [await createTenant(1), await createTenant(1)];
  const cancel = await submit(full, 2_000);
  await vi.waitFor(() => expect(callers().filter((key) => key === keyOf(full)).length).toBeGreaterThan(10), {
    timeout: 40_000,
    interval: 20,
  });
  await submit(newcomer, 1);
  const submittedAt = callers().length;
  const served = await vi.waitFor(
    () => {
      const at = callers().indexOf(keyOf(newcomer));
      expect(at).toBeGreaterThanOrEqual(0);
      return at;
    },
    { timeout: 30_000, interval: 20 },
  );
  await cancel();
  // The smallest window, what the workers held, and what they did while the newcomer's line was taken on.
  expect(served - submittedAt).toBeLessThan(400);
});
