/** One tenant's flood of interactive requests, over many accounts, does not keep the workers from another. */
import { afterAll, beforeAll, expect, it, vi } from 'vitest';
import { startStack, type Stack } from '#test/support/stack';
import { callControl, type TestTenant } from '#test/support/tenant';

let stack: Stack;

beforeAll(async () => {
  stack = await startStack({ workerConcurrency: 8 });
});
afterAll(() => stack.close());

/** Each is an account of its own to the limiter, so that their windows together are far over the workers' slots. */
const MODELS = 40;
/** Eighty calls a second in eight slots on any machine: so slowly taken, the window of the queue is at its smallest. */
const LATENCY_MS = 100;
const modelOf = (index: number): string =>
  `openai/gpt-4o-mini-sim-latency-${LATENCY_MS}-tokens-${1 + (index % MODELS)}`;

const send = async ({ apiKey }: TestTenant, index: number, signal?: AbortSignal): Promise<number> => {
  const answer = await fetch(`${stack.flo2.url}/v1/chat/completions`, {
    method: 'POST',
    headers: { authorization: `Bearer ${apiKey}`, 'content-type': 'application/json' },
    body: JSON.stringify({
      model: modelOf(index),
      max_tokens: 8,
      messages: [{ role: 'user', content: 'Hi.' }],
    }),
    ...(signal && { signal }),
  });
  await answer.arrayBuffer();
  return answer.status;
};

/** Keeps so many requests open until the signal. */
const flood = async (tenant: TestTenant, atOnce: number, signal: AbortSignal): Promise<void> => {
  const lane = async (_: unknown, first: number): Promise<void> => {
    for (let index = first; !signal.aborted; index += 1) await send(tenant, index, signal).catch(() => 0);
  };
  await Promise.all(Array.from({ length: atOnce }, lane));
};

const callers = (): (string | null)[] => stack.simulator.log.attempts.map(({ credential }) => credential);
const keyOf = (tenant: TestTenant): string => tenant.providerSecrets[0] ?? '';
const callsOf = (tenant: TestTenant): number => callers().filter((key) => key === keyOf(tenant)).length;
const createTenant = (): Promise<TestTenant> =>
  stack.createTenant({ providerKeys: [{ provider: 'openai' }] });

it('serves a newcomer within one window of the flood that was there before', async () => {
  const [full, newcomer] = [await createTenant(), await createTenant()];
  expect(await send(newcomer, 0)).toBe(200);
  const over = new AbortController();
  const flooding = flood(full, 300, over.signal);
  await vi.waitFor(() => expect(callsOf(full)).toBeGreaterThan(500), { timeout: 30_000, interval: 20 });
  const sentAt = callers().length;
  expect(await send(newcomer, 0)).toBe(200);
  const servedAt = callers().lastIndexOf(keyOf(newcomer));
  over.abort();
  await flooding;
  // The smallest window, what the workers held, and what they did while the request came in.
  expect(servedAt - sentAt).toBeLessThan(100);
});

it('shares the workers by the tenants’ weights', async () => {
  const [light, heavy] = [await createTenant(), await createTenant()];
  await callControl(stack.flo2, 'PATCH', `/tenants/${heavy.tenantId}`, { weight: 3 });
  const over = new AbortController();
  const flooding = [flood(light, 150, over.signal), flood(heavy, 150, over.signal)];
  await vi.waitFor(() => expect(Math.min(callsOf(light), callsOf(heavy))).toBeGreaterThan(200), {
    timeout: 30_000,
    interval: 20,
  });
  const from = callers().length;
  await vi.waitFor(() => expect(callers().length).toBeGreaterThan(from + 400), {
    timeout: 30_000,
    interval: 20,
  });
  const shared = callers().slice(from, from + 400);
  over.abort();
  await Promise.all(flooding);
  const part = shared.filter((key) => key === keyOf(heavy)).length / shared.length;
  expect(part).toBeGreaterThan(0.75 * 0.9);
  expect(part).toBeLessThan(0.75 * 1.1);
});
