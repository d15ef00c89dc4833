/** What `/models` lists in each dialect, from the lists of the tenant's keys and the price book. */
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { startStack, type Stack } from '#test/support/stack';
import type { TestTenant } from '#test/support/tenant';

let stack: Stack;
let tenant: TestTenant;

const get = async (path: string, headers: Record<string, string> = {}) => {
  const answer = await fetch(stack.flo2.url + path, { headers });
  const body: unknown = await answer.json();
  return { status: answer.status, body };
};
const bearer = () => ({ authorization: `Bearer ${tenant.apiKey}` });
const OWN = 'openai_compatible/llama3.2';

beforeAll(async () => {
  stack = await startStack();
  tenant = await stack.createTenant({
    providerKeys: [{ provider: 'openai' }, { provider: 'openai_compatible', dialect: 'ollama' }],
    routes: { safe: { targets: [{ model: 'openai/gpt-4o-mini' }] } },
  });
  // The lists come soon after the keys; this model is known from its own server alone.
  await vi.waitFor(async () => expect((await get(`/v1/models/${OWN}`, bearer())).status).toBe(200), {
    timeout: 15_000,
    interval: 50,
  });
});

afterAll(() => stack.close());

describe('the models of a tenant', () => {
  it('are listed in the dialect of OpenAI, with what is known of each', async () => {
    const { body } = await get('/v1/models', bearer());
    expect(body).toMatchObject({ object: 'list' });
    const { data } = body as { data: { id: string }[] };
    expect(data.map(({ id }) => id)).toEqual(expect.arrayContaining(['safe', 'openai/gpt-4o-mini', OWN]));
    expect(data.find(({ id }) => id === 'openai/gpt-4o-mini')).toMatchObject({
      object: 'model',
      owned_by: 'openai',
      provider: 'openai',
      pricing: { currency: 'USD', per: '1M tokens', input: '0.15', output: '0.6' },
    });
    expect(data.find(({ id }) => id === OWN)).toMatchObject({ provider: 'openai_compatible', pricing: null });
    expect(data.find(({ id }) => id === 'safe')).toMatchObject({ owned_by: 'flo2', provider: null });
  });

  it('are listed in the dialects of Anthropic and Gemini, too', async () => {
    const anthropic = await get('/v1/models', { ...bearer(), 'anthropic-version': '2023-06-01' });
    expect(anthropic.body).toMatchObject({ has_more: false, first_id: 'safe' });
    const paged = await get('/v1/models?limit=1&after_id=safe', {
      ...bearer(),
      'anthropic-version': '2023-06-01',
    });
    expect(paged.body).toMatchObject({ has_more: true });
    for (const path of ['/v1beta/models', '/v1/models']) {
      const gemini = await get(path, { 'x-goog-api-key': tenant.apiKey });
      const { models } = gemini.body as { models: { name: string }[] };
      expect(models.map(({ name }) => name)).toContain('models/openai/gpt-4o-mini');
    }
    const one = await get(`/v1beta/models/openai%2Fgpt-4o-mini?key=${tenant.apiKey}`);
    expect(one.body).toMatchObject({
      name: 'models/openai/gpt-4o-mini',
      supportedGenerationMethods: expect.arrayContaining(['generateContent']),
    });
  });

  it('are refused in the dialect they are asked for in', async () => {
    const missing = await get('/v1beta/models/nothing', { 'x-goog-api-key': tenant.apiKey });
    expect(missing).toMatchObject({ status: 404, body: { error: { code: 404, status: 'NOT_FOUND' } } });
    const stranger = await get('/v1beta/models?key=AIzaSyNoKey');
    expect(stranger).toMatchObject({ status: 401, body: { error: { status: 'UNAUTHENTICATED' } } });
    const openai = await get('/v1/models/nothing', bearer());
    expect(openai).toMatchObject({ status: 404, body: { error: { code: 'model_not_found' } } });
  });

  it('can be asked by the bare name that a key’s own server lists', async () => {
    const answer = await fetch(`${stack.flo2.url}/v1/chat/completions`, {
      method: 'POST',
      headers: bearer(),
      body: JSON.stringify({ model: 'llama3.2', messages: [{ role: 'user', content: 'hello' }] }),
    });
    expect(answer.status).toBe(200);
    expect(answer.headers.get('x-flo2-provider')).toBe('openai_compatible');
    await answer.body?.cancel();
  });
});

describe('a request in the dialect of Gemini', () => {
  const generate = (model: string, query: string) =>
    fetch(`${stack.flo2.url}/v1beta/models/${model}${query}`, {
      method: 'POST',
      body: JSON.stringify({ contents: [{ role: 'user', parts: [{ text: 'hello' }] }] }),
    });

  it('is answered by a model of another provider, its name escaped or not, its key in the query', async () => {
    for (const model of ['openai/gpt-4o-mini', 'openai%2Fgpt-4o-mini']) {
      const answer = await generate(model, `:generateContent?key=${tenant.apiKey}`);
      expect(answer.status).toBe(200);
      expect(await answer.json()).toMatchObject({
        candidates: [{ content: { role: 'model' }, finishReason: 'STOP' }],
        usageMetadata: { totalTokenCount: expect.any(Number) },
      });
    }
  });

  it('is streamed as events, or as one array', async () => {
    const events = await generate('safe', `:streamGenerateContent?alt=sse&key=${tenant.apiKey}`);
    expect(events.headers.get('content-type')).toContain('text/event-stream');
    expect((await events.text()).split('\n\n').at(-2)).toContain('"finishReason":"STOP"');
    const array = await generate('safe', `:streamGenerateContent?key=${tenant.apiKey}`);
    expect(array.headers.get('content-type')).toContain('application/json');
    const chunks = (await array.json()) as { candidates: { finishReason?: string }[] }[];
    expect(chunks.at(-1)?.candidates[0]?.finishReason).toBe('STOP');
  });

  it('that asks for no method there is gets an error of the dialect', async () => {
    const answer = await generate('safe', `:predict?key=${tenant.apiKey}`);
    expect(answer.status).toBe(404);
    expect(await answer.json()).toMatchObject({ error: { code: 404, status: 'NOT_FOUND' } });
  });
});
