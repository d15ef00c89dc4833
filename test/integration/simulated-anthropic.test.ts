import Anthropic from '@anthropic-ai/sdk';
import { afterAll, afterEach, describe, expect, it } from 'vitest';
import {
  errorOf,
  openSimulatedClients,
  PIXEL_PNG,
  user,
  WEATHER_SCHEMA,
} from '#test/support/simulated-clients';

const { simulator, openai, anthropic, send, lastCall } = await openSimulatedClients();

afterAll(() => simulator.close());
afterEach(() => {
  simulator.clearBehaviours();
  simulator.clearLimits();
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
    const events = await Array.fromAsync(
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
    const models = await Array.fromAsync(anthropic.models.list());
    expect(models.map((model) => model.id)).toContain('claude-haiku-4-5');
    expect(models.map((model) => model.id)).not.toContain('gpt-4o');
  });
});
