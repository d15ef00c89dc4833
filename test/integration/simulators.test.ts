/** The simulated providers as the official SDKs see them: one server for all, hence one file. */
import Anthropic from '@anthropic-ai/sdk';
import OpenAI from 'openai';
import { afterAll, afterEach, describe, expect, it, vi } from 'vitest';
import { errorOf, openSimulatedClients, user } from '#test/support/simulated-clients';

const PIXEL_PNG =
  'iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNkYPhfDwAChwGA60e6kgAAAABJRU5ErkJggg==';
const WEATHER_SCHEMA = {
  type: 'object' as const,
  properties: { city: { type: 'string' }, days: { type: 'integer' } },
  required: ['city'],
};

const { simulator, openai, anthropic, chat, send, lastCall } = await openSimulatedClients();

afterAll(() => simulator.close());
afterEach(() => {
  simulator.clearBehaviours();
  simulator.clearLimits();
});

const collect = async <Item>(stream: AsyncIterable<Item>): Promise<Item[]> => {
  const items: Item[] = [];
  for await (const item of stream) items.push(item);
  return items;
};

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
    const plain = await collect(await openai.chat.completions.create(request));
    expect(plain.map((chunk) => chunk.choices[0]?.delta.content ?? '').join('')).toBe('one two three');
    expect(plain.every((chunk) => !('usage' in chunk))).toBe(true);
    const asked = await collect(
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
      collect(
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

describe('Anthropic, simulated', () => {
  const weather = { name: 'get_weather', input_schema: WEATHER_SCHEMA };

  it('answers, counts tokens and logs the call', async () => {
    const message = await send('claude-haiku-4-5');
    expect(message.content).toEqual([{ type: 'text', text: 'hi there' }]);
    expect(message).toMatchObject({
      model: 'claude-haiku-4-5-20251001',
      stop_reason: 'end_turn',
      usage: { input_tokens: 7, output_tokens: 2 },
    });
    expect(lastCall()).toMatchObject({
      provider: 'anthropic',
      credential: 'sk-ant-test',
      tokens: { output: 2 },
    });
  });

  it('streams the documented events, with a ping and growing usage', async () => {
    const events = await collect(
      await anthropic.messages.create({
        model: 'claude-haiku-4-5',
        max_tokens: 100,
        stream: true,
        messages: user('echo: one two'),
      }),
    );
    expect(events.map((event) => event.type)).toEqual([
      'message_start',
      'content_block_start',
      'content_block_delta',
      'content_block_delta',
      'content_block_stop',
      'message_delta',
      'message_stop',
    ]);
    expect(events.at(0)).toMatchObject({ message: { usage: { input_tokens: 7, output_tokens: 1 } } });
    expect(events.at(-2)).toMatchObject({ usage: { input_tokens: 7, output_tokens: 2 } });
  });

  it('calls tools in fragments and quotes their results', async () => {
    const asked = user('use get_weather');
    const request = { model: 'claude-haiku-4-5', max_tokens: 1000, tools: [weather] };
    const message = await anthropic.messages.stream({ ...request, messages: asked }).finalMessage();
    const call = message.content[0];
    if (call?.type !== 'tool_use') throw new Error('no tool was called');
    expect(message.stop_reason).toBe('tool_use');
    expect(call.input).toEqual({ city: 'the "city"\né', days: 3 });
    const result = { type: 'tool_result' as const, tool_use_id: call.id, content: 'broken', is_error: true };
    const after = await anthropic.messages.create({
      ...request,
      messages: [
        ...asked,
        { role: 'assistant', content: message.content },
        { role: 'user', content: [result] },
      ],
    });
    expect(after.content).toEqual([{ type: 'text', text: 'The tool failed: broken' }]);
  });

  it('thinks aloud when asked, and knows its own thinking again', async () => {
    const request = {
      model: 'claude-haiku-4-5',
      max_tokens: 3000,
      thinking: { type: 'enabled' as const, budget_tokens: 1024 },
    };
    const message = await anthropic.messages.stream({ ...request, messages: user('hello') }).finalMessage();
    const thinking = message.content[0];
    if (thinking?.type !== 'thinking') throw new Error('no thinking came');
    const reply = (signature: string) =>
      anthropic.messages.create({
        ...request,
        messages: [
          ...user('hello'),
          { role: 'assistant', content: [{ ...thinking, signature }, ...message.content.slice(1)] },
          ...user('go on'),
        ],
      });
    await expect(reply(thinking.signature)).resolves.toBeDefined();
    expect(await errorOf(reply('forged'))).toBeInstanceOf(Anthropic.BadRequestError);
  });

  it('sees a conversation as OpenAI does', async () => {
    const text = 'describe the request';
    const ofOpenai = await openai.chat.completions.create({
      model: 'gpt-4o',
      max_tokens: 900,
      stop: ['END'],
      tools: [{ type: 'function', function: { name: 'get_weather', parameters: WEATHER_SCHEMA } }],
      messages: [
        { role: 'system', content: 'be brief' },
        {
          role: 'user',
          content: [
            { type: 'text', text },
            { type: 'image_url', image_url: { url: `data:image/png;base64,${PIXEL_PNG}` } },
          ],
        },
      ],
    });
    const ofAnthropic = await anthropic.messages.create({
      model: 'claude-haiku-4-5',
      max_tokens: 900,
      stop_sequences: ['END'],
      tools: [weather],
      system: 'be brief',
      messages: [
        {
          role: 'user',
          content: [
            { type: 'text', text },
            { type: 'image', source: { type: 'base64', media_type: 'image/png', data: PIXEL_PNG } },
          ],
        },
      ],
    });
    const description = ofOpenai.choices[0]?.message.content;
    expect(ofAnthropic.content).toEqual([{ type: 'text', text: description }]);
    expect(ofOpenai.usage?.prompt_tokens).toBe(ofAnthropic.usage.input_tokens);
  });

  it.each([
    ['unknown field', { frobnicate: 1 }, 'frobnicate: Extra inputs are not permitted'],
    ['no max_tokens', { max_tokens: undefined }, 'max_tokens: Field required'],
    ['wrong type', { max_tokens: 1.5 }, 'max_tokens: Input should be a valid integer'],
    ['system role', { messages: [{ role: 'system', content: 'x' }] }, 'messages: Unexpected role "system"'],
    [
      'OpenAI image part',
      { messages: [{ role: 'user', content: [{ type: 'image_url', image_url: { url: 'x' } }] }] },
      'messages.0.content.0.type: Input tag',
    ],
    [
      'unknown field of a block',
      { messages: [{ role: 'user', content: [{ type: 'text', text: 'x', name: 'y' }] }] },
      'messages.0.content.0.text.name: Extra inputs are not permitted',
    ],
    [
      'result without a call',
      { messages: [{ role: 'user', content: [{ type: 'tool_result', tool_use_id: 'a', content: 'x' }] }] },
      'messages.0.content.0: unexpected `tool_use_id`',
    ],
    [
      'call without a result',
      {
        messages: [
          ...user('x'),
          { role: 'assistant', content: [{ type: 'tool_use', id: 'a', name: 'f', input: {} }] },
          ...user('y'),
        ],
      },
      'messages.1: `tool_use` ids were found without `tool_result` blocks immediately after: a',
    ],
    [
      'temperature, which the version the SDK sends has no more',
      { temperature: 1 },
      'temperature: Extra inputs are not permitted',
    ],
    [
      'empty text',
      { messages: [{ role: 'user', content: [{ type: 'text', text: '' }] }] },
      'messages: text content',
    ],
  ])('refuses: %s', async (_name, change, message) => {
    const body = { model: 'claude-haiku-4-5', max_tokens: 10, messages: user('x'), ...change };
    const error = await errorOf(anthropic.post('/v1/messages', { body }));
    expect(error).toBeInstanceOf(Anthropic.BadRequestError);
    expect(error).toMatchObject({
      error: {
        type: 'error',
        error: { type: 'invalid_request_error', message: expect.stringContaining(message) },
      },
    });
  });

  it('refuses a call without a version', async () => {
    const response = await fetch(`${simulator.url}/v1/messages`, {
      method: 'POST',
      headers: { 'x-api-key': 'sk-ant-test', 'content-type': 'application/json' },
      body: '{}',
    });
    expect(response.status).toBe(400);
    expect(await response.text()).toContain('anthropic-version: header is required');
  });

  it.each([
    [401, Anthropic.AuthenticationError, 'authentication_error'],
    [403, Anthropic.PermissionDeniedError, 'permission_error'],
    [404, Anthropic.NotFoundError, 'not_found_error'],
    [413, Anthropic.APIError, 'request_too_large'],
    [429, Anthropic.RateLimitError, 'rate_limit_error'],
    [500, Anthropic.InternalServerError, 'api_error'],
    [529, Anthropic.InternalServerError, 'overloaded_error'],
  ])('answers %i on demand', async (status, errorClass, type) => {
    const error = await errorOf(send(`claude-haiku-4-5-sim-error-${status}`));
    expect(error).toBeInstanceOf(errorClass);
    expect(error).toMatchObject({ status, error: { error: { type } } });
  });

  it('still takes sampling parameters in the older version of the API', async () => {
    const body = { model: 'claude-haiku-4-5', max_tokens: 10, temperature: 0.5, messages: user('echo: hi') };
    const headers = { 'anthropic-version': '2023-06-01', 'x-api-key': 'sk-ant-other', authorization: null };
    await expect(anthropic.post('/v1/messages', { body, headers })).resolves.toMatchObject({
      type: 'message',
    });
    expect(lastCall().credential).toBe('sk-ant-other');
  });

  it('lists models in its own shape', async () => {
    const models = await collect(anthropic.models.list());
    expect(models.map((model) => model.id)).toContain('claude-haiku-4-5');
    expect(models.map((model) => model.id)).not.toContain('gpt-4o');
  });
});
