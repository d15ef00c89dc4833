import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { refusedUrl } from '#test/simulators/simulator';
import { countedTokens, startStack, type Stack } from '#test/support/stack';

let stack: Stack;

beforeAll(async () => {
  stack = await startStack();
});

afterAll(() => stack.close());

const SECOND = 'anthropic/claude-haiku-4-5';

type Failure = { name: string; first: string; outcome: string; timeoutMs?: number; refused?: boolean };

const FAILURES: Failure[] = [
  { name: 'refuses the connection', first: 'openai/gpt-4o-mini', outcome: 'failed', refused: true },
  { name: 'answers 500', first: 'openai/gpt-4o-mini-sim-error-500', outcome: 'failed' },
  { name: 'answers 503', first: 'openai/gpt-4o-mini-sim-error-503', outcome: 'failed' },
  {
    name: 'answers 429 with Retry-After',
    first: 'openai/gpt-4o-mini-sim-error-429-retry-2',
    outcome: 'failed',
  },
  {
    name: 'says nothing before the time limit',
    first: 'openai/gpt-4o-mini-sim-hang',
    outcome: 'timed_out',
    timeoutMs: 300,
  },
];

const send = async (apiKey: string, stream: boolean) => {
  const answer = await fetch(`${stack.flo2.url}/v1/chat/completions`, {
    method: 'POST',
    headers: { authorization: `Bearer ${apiKey}`, 'content-type': 'application/json' },
    body: JSON.stringify({
      model: 'safe',
      stream,
      messages: [{ role: 'user', content: 'echo: still here' }],
    }),
  });
  return { status: answer.status, headers: answer.headers, text: await answer.text() };
};

describe.each(FAILURES)('a route whose first target $name', ({ first, outcome, timeoutMs, refused }) => {
  it.each([false, true])('answers from the second (stream: %s)', async (stream) => {
    const openai = refused === true ? { baseUrl: `${await refusedUrl()}/v1` } : {};
    const { apiKey } = await stack.createTenant({
      providerKeys: [{ provider: 'openai', ...openai }, { provider: 'anthropic' }],
      routes: {
        safe: {
          targets: [{ model: first }, { model: SECOND }],
          ...(timeoutMs !== undefined && { timeout_ms: timeoutMs }),
        },
      },
    });

    const answer = await send(apiKey, stream);
    expect(answer.text).toContain('still');
    expect(answer.status).toBe(200);
    expect(answer.headers.get('x-flo2-attempts')).toBe('2');
    expect(answer.headers.get('x-flo2-provider')).toBe('anthropic');

    const requestId = answer.headers.get('x-flo2-request-id') ?? '';
    const [one, two, ...more] = await stack.attemptsOf(requestId, 2);
    expect(more).toEqual([]);
    expect(one).toMatchObject({ attempt: 1, step: 0, provider: 'openai', outcome });
    expect(two).toMatchObject({
      attempt: 2,
      step: 1,
      provider: 'anthropic',
      outcome: 'succeeded',
      pricing: 'priced',
    });
    // A call that was turned down costs nothing; one that was left unanswered may have been charged.
    if (outcome === 'failed') expect(one).toMatchObject({ cost: '0', tokens: {} });
    else expect(one).toMatchObject({ cost: null, pricing: 'unknown' });

    const charged = stack.simulator.log.attempts.find((call) => call.attemptId === two?.attempt_id);
    expect(countedTokens(two?.tokens)).toEqual(countedTokens(charged?.tokens));
    expect(Number(two?.cost)).toBeGreaterThan(0);
  });
});

describe('a route', () => {
  it('never falls back once content has reached the client', async () => {
    const { apiKey } = await stack.createTenant({
      routes: { safe: { targets: [{ model: 'openai/gpt-4o-mini-sim-cut-4' }, { model: SECOND }] } },
    });
    const answer = await send(apiKey, true);
    expect(answer.status).toBe(200);
    expect(answer.text).toContain('"error"');
    expect(answer.text).not.toContain('[DONE]');
    const attempts = await stack.attemptsOf(answer.headers.get('x-flo2-request-id') ?? '', 1);
    expect(attempts).toMatchObject([{ outcome: 'cut', provider: 'openai' }]);
  });

  it('tries the tenant’s next key of the same target where the first is rejected', async () => {
    const tenant = await stack.createTenant({
      providerKeys: [
        { provider: 'openai', name: 'stale', secret: 'sk-invalid-key' },
        { provider: 'openai', name: 'good' },
      ],
    });
    const answer = await fetch(`${stack.flo2.url}/v1/chat/completions`, {
      method: 'POST',
      headers: { authorization: `Bearer ${tenant.apiKey}`, 'content-type': 'application/json' },
      body: JSON.stringify({
        model: 'openai/gpt-4o-mini',
        messages: [{ role: 'user', content: 'echo: hello' }],
      }),
    });
    expect(answer.status).toBe(200);
    expect(await answer.text()).toContain('hello');
    const count = Number(answer.headers.get('x-flo2-attempts'));
    const attempts = await stack.attemptsOf(answer.headers.get('x-flo2-request-id') ?? '', count);
    expect(attempts.at(-1)?.outcome).toBe('succeeded');
    expect(attempts.slice(0, -1).every((attempt) => attempt.error_code === 'authentication')).toBe(true);
  });

  it('gives the last error when every target fails, and records each attempt', async () => {
    const { apiKey } = await stack.createTenant({
      routes: {
        safe: {
          targets: [
            { model: 'openai/gpt-4o-mini-sim-error-500' },
            { model: 'anthropic/claude-haiku-4-5-sim-error-529' },
          ],
          max_attempts: 2,
        },
      },
    });
    const answer = await send(apiKey, false);
    expect(answer.status).toBe(503);
    expect(JSON.parse(answer.text)).toMatchObject({ error: { code: 'overloaded' } });
    expect(answer.headers.get('x-flo2-attempts')).toBe('2');
    const attempts = await stack.attemptsOf(answer.headers.get('x-flo2-request-id') ?? '', 2);
    expect(attempts.map((attempt) => attempt.outcome)).toEqual(['failed', 'failed']);
  });
});
