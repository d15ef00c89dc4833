import { once } from 'node:events';
import { request, type IncomingMessage } from 'node:http';
import { afterAll, beforeAll, expect, it, vi } from 'vitest';
import { expectBrokenOff } from '#test/support/broken-off-call';
import { startStack, type Stack } from '#test/support/stack';

let stack: Stack;
let apiKey: string;

beforeAll(async () => {
  stack = await startStack({ streamKeepAliveMs: 300 });
  ({ apiKey } = await stack.createTenant());
});

afterAll(() => stack.close());

const openStream = async (model: string): Promise<IncomingMessage> => {
  const client = request(`${stack.flo2.url}/v1/chat/completions`, {
    method: 'POST',
    headers: { authorization: `Bearer ${apiKey}`, 'content-type': 'application/json' },
  });
  client.end(JSON.stringify({ model, stream: true, messages: [{ role: 'user', content: 'Go on.' }] }));
  const [answer] = (await once(client, 'response')) as [IncomingMessage];
  return answer;
};

const TOKENS = 60_000;

it('holds the provider back while the client does not read, and then delivers every word', async () => {
  const before = stack.simulator.log.attempts.length;
  const answer = await openStream(`openai/gpt-4o-mini-sim-tokens-${TOKENS}`);
  answer.pause();
  const charged = () => stack.simulator.log.attempts[before]?.tokens.output ?? 0;
  // What the provider has handed over grows until every buffer on the way is full, and then no more.
  let last = -1;
  await vi.waitFor(
    () => {
      const now = charged();
      const grown = now !== last;
      last = now;
      expect(now).toBeGreaterThan(0);
      expect(grown).toBe(false);
    },
    { timeout: 20_000, interval: 500 },
  );
  expect(charged()).toBeLessThan(TOKENS);

  let text = '';
  for await (const chunk of answer.setEncoding('utf8')) text += chunk;
  expect(text.endsWith('data: [DONE]\n\n')).toBe(true);
  expect(text.split('"content":"').length - 1).toBeGreaterThanOrEqual(TOKENS);
  const requestId = String(answer.headers['x-flo2-request-id']);
  const [attempt] = await stack.attemptsOf(requestId, 1);
  expect(attempt).toMatchObject({ outcome: 'succeeded', tokens: { output: TOKENS } });
});

it('names a model of any script in its headers', async () => {
  const answer = await openStream('openai/gpt-4o-mini-sim-tokens-3-模型');
  answer.resume();
  expect(answer.headers['x-flo2-model']).toBe(encodeURIComponent('gpt-4o-mini-sim-tokens-3-模型'));
});

it('sends a comment where the provider is silent for long, between whole events', async () => {
  const answer = await openStream('openai/gpt-4o-mini-sim-pace-1500-tokens-2');
  let text = '';
  for await (const chunk of answer.setEncoding('utf8')) text += chunk;
  expect(text).toContain('\n\n: keep-alive\n\ndata: ');
  expect(text.endsWith('data: [DONE]\n\n')).toBe(true);
});

/** Within a second, which `npm run test:faults -- F19` holds it to. */
it('breaks the call to the provider off, long before its end, after the client has left', async () => {
  const before = stack.simulator.log.attempts.length;
  const answer = await openStream('openai/gpt-4o-mini-sim-pace-50-tokens-500');
  answer.once('error', () => undefined);
  await once(answer, 'data');
  answer.destroy();
  await expectBrokenOff(stack, before);
});
