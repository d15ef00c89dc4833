import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startStack, type Stack } from '#test/support/stack';
import type { TestTenant } from '#test/support/tenant';

let stack: Stack;
let tenant: TestTenant;

beforeAll(async () => {
  stack = await startStack({ bodyLimitBytes: 64 * 1024 });
  tenant = await stack.createTenant({ apiKey: { models: ['openai/*', 'anthropic/*'] } });
});

afterAll(() => stack.close());

const MESSAGES = [{ role: 'user', content: 'hello' }];

type Dialect = {
  name: string;
  path: string;
  body: (changes: object) => object;
  model: string;
  readError: (body: unknown) => { type: string; message: string };
};

const field = (value: unknown, ...path: string[]): unknown =>
  path.reduce<unknown>(
    (inner, key) => (typeof inner === 'object' && inner !== null ? Reflect.get(inner, key) : undefined),
    value,
  );

const DIALECTS: Dialect[] = [
  {
    name: 'OpenAI',
    path: '/v1/chat/completions',
    model: 'openai/gpt-4o-mini',
    body: (changes) => ({ model: 'openai/gpt-4o-mini', messages: MESSAGES, ...changes }),
    readError: (body) => ({
      type: String(field(body, 'error', 'code')),
      message: String(field(body, 'error', 'message')),
    }),
  },
  {
    name: 'Anthropic',
    path: '/v1/messages',
    model: 'anthropic/claude-haiku-4-5',
    body: (changes) => ({
      model: 'anthropic/claude-haiku-4-5',
      max_tokens: 50,
      messages: MESSAGES,
      ...changes,
    }),
    readError: (body) => {
      expect(field(body, 'type')).toBe('error');
      return { type: String(field(body, 'error', 'type')), message: String(field(body, 'error', 'message')) };
    },
  },
];

const post = async (path: string, body: string, headers: Record<string, string> = {}) => {
  const answer = await fetch(stack.flo2.url + path, {
    method: 'POST',
    headers: { authorization: `Bearer ${tenant.apiKey}`, 'content-type': 'application/json', ...headers },
    body,
  });
  const text = await answer.text();
  const requestId = answer.headers.get('x-flo2-request-id') ?? '';
  return { status: answer.status, headers: answer.headers, text, requestId };
};

describe.each(DIALECTS)('bad input in the dialect of $name', ({ path, body, model, readError }) => {
  const refused: {
    name: string;
    text: string;
    status: number;
    says: RegExp;
    headers?: Record<string, string>;
  }[] = [
    { name: 'malformed JSON', text: '{"model": "x",', status: 400, says: /JSON/ },
    { name: 'an empty body', text: '', status: 400, says: /JSON/ },
    { name: 'a body that is no object', text: '[1]', status: 400, says: /object/i },
    {
      name: 'a wrong type',
      text: JSON.stringify(body({ messages: 'hello' })),
      status: 400,
      says: /messages/,
    },
    { name: 'no model', text: JSON.stringify(body({ model: undefined })), status: 400, says: /model/ },
    {
      name: 'an unknown model',
      text: JSON.stringify(body({ model: 'gpt-unheard-of' })),
      status: 404,
      says: /gpt-unheard-of/,
    },
    {
      name: 'an unknown provider',
      text: JSON.stringify(body({ model: 'nobody/x' })),
      status: 404,
      says: /nobody/,
    },
    {
      name: 'a bad time limit',
      text: JSON.stringify(body({})),
      status: 400,
      says: /x-flo2-timeout-ms/,
      headers: { 'x-flo2-timeout-ms': 'soon' },
    },
    {
      name: 'bad tags',
      text: JSON.stringify(body({})),
      status: 400,
      says: /x-flo2-tags/,
      headers: { 'x-flo2-tags': 'novalue' },
    },
    {
      name: 'a body over the limit',
      text: JSON.stringify(body({ padding: 'x'.repeat(70_000) })),
      status: 413,
      says: /65536/,
    },
    {
      name: 'a malformed key',
      text: JSON.stringify(body({})),
      status: 401,
      says: /key/i,
      headers: { authorization: 'Bearer flo2_wrong' },
    },
    {
      name: 'no key',
      text: JSON.stringify(body({})),
      status: 401,
      says: /key/i,
      headers: { authorization: '' },
    },
  ];

  it.each(refused)('refuses $name with $status and a sentence', async ({ text, status, says, headers }) => {
    const answer = await post(path, text, headers);
    const error = readError(JSON.parse(answer.text));
    expect(error.message).toMatch(says);
    expect(answer.status).toBe(status);
    expect(answer.requestId).toMatch(/^req_/);
  });

  const failing: { name: string; suffix: string; status: number; outcome: string }[] = [
    { name: '401', suffix: 'error-401', status: 502, outcome: 'failed' },
    { name: '429', suffix: 'error-429-retry-30', status: 429, outcome: 'failed' },
    { name: 'HTML', suffix: 'html', status: 502, outcome: 'failed' },
    { name: 'half a JSON', suffix: 'halfjson', status: 502, outcome: 'failed' },
    { name: 'nothing', suffix: 'empty', status: 502, outcome: 'failed' },
  ];

  it.each(failing)('tells of a provider that answers $name, and records each attempt', async (failure) => {
    // A tenant of its own: a key that was rejected is not used for the next case.
    const own = await stack.createTenant();
    const changes = { model: `${model}-sim-${failure.suffix}` };
    const answer = await post(path, JSON.stringify(body(changes)), { authorization: `Bearer ${own.apiKey}` });
    const error = readError(JSON.parse(answer.text));
    expect(error.message.length).toBeGreaterThan(10);
    expect(answer.status).toBe(failure.status);
    const count = Number(answer.headers.get('x-flo2-attempts'));
    const attempts = await stack.attemptsOf(answer.requestId, count);
    expect(attempts).toHaveLength(count);
    expect(attempts.at(-1)?.outcome).toBe(failure.outcome);
    for (const secret of own.providerSecrets) expect(answer.text).not.toContain(secret);
  });

  it('passes on how long the provider asks to wait', async () => {
    // A model of its own: others wait for the room that a refusal before has taken away.
    const answer = await post(path, JSON.stringify(body({ model: `${model}-sim-error-429-retry-31` })));
    expect(answer.headers.get('retry-after')).toBe('31');
  });

  it('ends a stream that is cut with an error event, never with a normal end', async () => {
    const answer = await post(path, JSON.stringify(body({ model: `${model}-sim-cut-5`, stream: true })));
    expect(answer.status).toBe(200);
    expect(answer.text).toContain('"error"');
    expect(answer.text).not.toMatch(/\[DONE\]|message_stop/);
    const [attempt] = await stack.attemptsOf(answer.requestId, 1);
    expect(attempt).toMatchObject({ outcome: 'cut' });
  });

  it('answers at the deadline, and says so', async () => {
    const answer = await post(path, JSON.stringify(body({ model: `${model}-sim-hang` })), {
      'x-flo2-timeout-ms': '400',
    });
    expect(answer.status).toBe(504);
    const [attempt] = await stack.attemptsOf(answer.requestId, 1);
    expect(attempt).toMatchObject({ outcome: 'timed_out' });
  });
});

describe('keys', () => {
  it('refuses a model that the key may not use, and a key without the scope', async () => {
    const narrow = await stack.createTenant({ apiKey: { models: ['anthropic/*'] } });
    const text = JSON.stringify({ model: 'openai/gpt-4o-mini', messages: MESSAGES });
    const one = await post('/v1/chat/completions', text, { authorization: `Bearer ${narrow.apiKey}` });
    expect(one.status).toBe(403);
    const reader = await stack.createTenant({ apiKey: { scopes: ['usage:read'] } });
    const other = await post('/v1/chat/completions', text, { authorization: `Bearer ${reader.apiKey}` });
    expect(other.status).toBe(403);
    expect(other.text).toContain('inference');
  });

  it('finds nothing at an unknown path', async () => {
    const answer = await post('/v1/unheard-of', '{}');
    expect(answer.status).toBe(404);
  });
});
