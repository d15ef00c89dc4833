import OpenAI from 'openai';
import { afterAll, afterEach, describe, expect, it, vi } from 'vitest';
import {
  errorOf,
  openSimulatedClients,
  PIXEL_PNG,
  user,
  WEATHER_SCHEMA,
} from '#test/support/simulated-clients';

const { simulator, openai, chat, lastCall } = await openSimulatedClients();

afterAll(() => simulator.close());
afterEach(() => {
  simulator.clearBehaviours();
  simulator.clearLimits();
});

describe('OpenAI, simulated', () => {
  const weather = {
    type: 'function' as const,
    function: { name: 'get_weather', parameters: WEATHER_SCHEMA },
  };

  it('answers, counts tokens and logs the call', async () => {
    const { data, request_id: requestId } = await chat('gpt-4o-mini').withResponse();
    expect(data.choices[0]?.message.content).toBe('hi there');
    expect(data.model).toBe('gpt-4o-mini-2024-07-18');
    expect(data.usage).toMatchObject({ prompt_tokens: 7, completion_tokens: 2, total_tokens: 9 });
    expect(lastCall()).toMatchObject({
      provider: 'openai',
      credential: 'sk-test',
      model: 'gpt-4o-mini',
      stream: false,
      status: 200,
      outcome: 'whole',
      requestId,
      tokens: { input: 7, cache_read: 0, output: 2 },
    });
  });

  it('gives the same answer to the same request, under another id', async () => {
    const [first, second] = await Promise.all([chat('gpt-4o', 'tell'), chat('gpt-4o', 'tell')]);
    expect(first.choices).toEqual(second.choices);
    expect(first.id).not.toBe(second.id);
  });

  it('streams, with usage only where it is asked for', async () => {
    const request = { model: 'gpt-4o', messages: user('echo: one two three'), stream: true as const };
    const plain = await Array.fromAsync(await openai.chat.completions.create(request));
    expect(plain.map((chunk) => chunk.choices[0]?.delta.content ?? '').join('')).toBe('one two three');
    expect(plain.every((chunk) => !('usage' in chunk))).toBe(true);
    const asked = await Array.fromAsync(
      await openai.chat.completions.create({ ...request, stream_options: { include_usage: true } }),
    );
    expect(asked.slice(0, -1).every((chunk) => chunk.usage === null)).toBe(true);
    expect(asked.at(-1)).toMatchObject({ choices: [], usage: { completion_tokens: 3 } });
  });

  it('calls tools in parallel, in fragments, and quotes their results', async () => {
    const stream = openai.chat.completions.stream({
      model: 'gpt-4o',
      tools: [weather],
      messages: user('use get_weather in parallel'),
    });
    const { choices } = await stream.finalChatCompletion();
    const message = choices[0]?.message;
    expect(choices[0]?.finish_reason).toBe('tool_calls');
    const calls = message?.tool_calls ?? [];
    expect(calls).toHaveLength(2);
    const answers = calls.map((call) => ({ role: 'tool' as const, tool_call_id: call.id, content: 'sunny' }));
    const after = await openai.chat.completions.create({
      model: 'gpt-4o',
      tools: [weather],
      messages: [
        ...user('use get_weather in parallel'),
        { role: 'assistant', content: null, tool_calls: calls },
        ...answers,
      ],
    });
    expect(after.choices[0]?.message.content).toBe('The tool answered: sunny\nThe tool answered: sunny');
  });

  it('takes dictated tool arguments', async () => {
    const { choices } = await openai.chat.completions.create({
      model: 'gpt-4o',
      tools: [weather],
      messages: user('use get_weather with {"city":"Zürich"}'),
    });
    expect(choices[0]?.message.tool_calls?.[0]).toMatchObject({
      function: { name: 'get_weather', arguments: '{"city":"Zürich"}' },
    });
  });

  it('says what images it saw', async () => {
    const url = `data:image/png;base64,${PIXEL_PNG}`;
    const { choices } = await openai.chat.completions.create({
      model: 'gpt-4o',
      messages: [
        {
          role: 'user',
          content: [
            { type: 'text', text: 'look' },
            { type: 'image_url', image_url: { url } },
          ],
        },
      ],
    });
    expect(choices[0]?.message.content).toBe('Images seen: 1 (image/png 70 bytes 1x1).');
  });

  it('charges hidden reasoning, and spends a small limit on it', async () => {
    const request = { model: 'gpt-5-nano', messages: user('hello') };
    const full = await openai.chat.completions.create(request);
    expect(full.usage?.completion_tokens_details?.reasoning_tokens).toBe(64);
    const limited = await openai.chat.completions.create({ ...request, max_completion_tokens: 20 });
    expect(limited.choices[0]).toMatchObject({ finish_reason: 'length', message: { content: '' } });
    expect(limited.usage?.completion_tokens).toBe(20);
  });

  it.each([
    ['unknown argument', { frobnicate: 1 }, null],
    [
      'nested unknown argument',
      { messages: [{ role: 'user', content: 'x', cache_control: {} }] },
      'messages[0].cache_control',
    ],
    ['wrong type', { temperature: 'hot' }, 'temperature'],
    ['bad role', { messages: [{ role: 'wizard', content: 'x' }] }, 'messages[0].role'],
    [
      'bad part',
      { messages: [{ role: 'user', content: [{ type: 'text', txt: 'x' }] }] },
      'messages[0].content[0].text',
    ],
    ['no messages', { messages: undefined }, 'messages'],
    [
      'orphan tool message',
      { messages: [{ role: 'tool', tool_call_id: 'a', content: 'x' }] },
      'messages.[0].role',
    ],
    ['out of range', { temperature: 3 }, 'temperature'],
    ['stream options without a stream', { stream_options: {} }, 'stream_options'],
  ])('refuses: %s', async (_name, change, param) => {
    const body = { model: 'gpt-4o', messages: user('x'), ...change };
    const error = await errorOf(openai.post('/chat/completions', { body }));
    expect(error).toBeInstanceOf(OpenAI.BadRequestError);
    expect(error).toMatchObject({ param, type: 'invalid_request_error' });
    expect(lastCall()).toMatchObject({ status: 400, tokens: {}, outcome: 'whole' });
  });

  it.each([
    [400, OpenAI.BadRequestError],
    [401, OpenAI.AuthenticationError],
    [403, OpenAI.PermissionDeniedError],
    [404, OpenAI.NotFoundError],
    [429, OpenAI.RateLimitError],
    [500, OpenAI.InternalServerError],
    [502, OpenAI.InternalServerError],
    [503, OpenAI.InternalServerError],
  ])('answers %i on demand', async (status, errorClass) => {
    const error = await errorOf(chat(`gpt-4o-sim-error-${status}`));
    expect(error).toBeInstanceOf(errorClass);
    expect(error).toMatchObject({ status });
  });

  it('refuses a key that is wrong or absent', async () => {
    const wrong = openai.withOptions({ apiKey: 'sk-invalid' });
    expect(await errorOf(wrong.models.list())).toMatchObject({ status: 401, code: 'invalid_api_key' });
    const response = await fetch(`${simulator.url}/v1/models`);
    expect(response.status).toBe(401);
  });

  it('says when to come back, and which limit was hit', async () => {
    const error = await errorOf(chat('sim-error-429-tokenlimit-retry-2'));
    expect(error).toMatchObject({ type: 'tokens', code: 'rate_limit_exceeded' });
    expect(error instanceof OpenAI.APIError && error.headers?.get('retry-after')).toBe('2');
    expect(await errorOf(chat('sim-quota'))).toMatchObject({ status: 429, code: 'insufficient_quota' });
  });

  it('breaks a stream off in every way', async () => {
    const stream = async (model: string) =>
      Array.fromAsync(
        await openai.chat.completions.create({ model, messages: user('echo: a b c d e f'), stream: true }),
      );
    expect(await errorOf(stream('sim-cut-3'))).toBeInstanceOf(Error);
    expect(lastCall()).toMatchObject({ outcome: 'cut', tokens: { output: 2 } });
    expect(await errorOf(stream('sim-streamerror-2'))).toMatchObject({ type: 'server_error' });
    expect(await stream('sim-noend')).toHaveLength(8);
  });

  it('logs an abort with the tokens sent until then', async () => {
    const abort = new AbortController();
    const stream = await openai.chat.completions.create(
      { model: 'gpt-4o-sim-hang-3', messages: user('echo: a b c d e f'), stream: true },
      { signal: abort.signal },
    );
    const iterator = stream[Symbol.asyncIterator]();
    for (let chunk = 0; chunk < 3; chunk += 1) await iterator.next();
    expect(lastCall()).toMatchObject({ outcome: 'open', status: 200 });
    abort.abort();
    await vi.waitFor(() => expect(lastCall()).toMatchObject({ outcome: 'aborted', tokens: { output: 2 } }), {
      timeout: 15_000,
    });
  });
});
