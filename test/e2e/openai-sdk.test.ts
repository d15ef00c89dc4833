/** The official `openai` package, unmodified, against models of both providers. */
import OpenAI from 'openai';
import type { ChatCompletionMessageParam, ChatCompletionTool } from 'openai/resources/chat/completions';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { expectBrokenOff } from '#test/support/broken-off-call';
import { countedTokens, startStack, type Stack } from '#test/support/stack';

let stack: Stack;
let client: OpenAI;

beforeAll(async () => {
  stack = await startStack();
  const { apiKey } = await stack.createTenant();
  client = new OpenAI({ apiKey, baseURL: `${stack.flo2.url}/v1`, maxRetries: 0 });
});

afterAll(() => stack.close());

const PIXEL =
  'iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==';

const TOOLS: ChatCompletionTool[] = [
  {
    type: 'function',
    function: {
      name: 'get_weather',
      description: 'Weather of a place',
      parameters: { type: 'object', properties: { place: { type: 'string' } }, required: ['place'] },
    },
  },
];

const USE_TOOL: ChatCompletionMessageParam[] = [
  { role: 'user', content: 'use get_weather with {"place":"Köln"}' },
];

describe.each(['openai/gpt-4o-mini', 'anthropic/claude-haiku-4-5'])('the openai package with %s', (model) => {
  it('gets an answer', async () => {
    const { data, response } = await client.chat.completions
      .create({
        model,
        messages: [
          { role: 'system', content: 'Be brief.' },
          { role: 'user', content: 'echo: grüße 👋' },
        ],
      })
      .withResponse();
    expect(data.choices[0]?.message.content).toBe('grüße 👋');
    expect(data.choices[0]?.finish_reason).toBe('stop');
    expect(data.usage?.total_tokens).toBe(
      (data.usage?.prompt_tokens ?? 0) + (data.usage?.completion_tokens ?? 0),
    );
    expect(response.headers.get('x-flo2-attempts')).toBe('1');

    const [attempt] = await stack.attemptsOf(response.headers.get('x-flo2-request-id') ?? '', 1);
    const call = stack.simulator.log.attempts.find(({ attemptId }) => attemptId === attempt?.attempt_id);
    expect(attempt).toMatchObject({ outcome: 'succeeded', pricing: 'priced' });
    expect(countedTokens(attempt?.tokens)).toEqual(countedTokens(call?.tokens));
  });

  it('gets a stream, with usage where it asks for it', async () => {
    const messages: ChatCompletionMessageParam[] = [{ role: 'user', content: 'Tell me something.' }];
    const whole = await client.chat.completions.create({ model, messages });
    for (const wanted of [true, false]) {
      const stream = await client.chat.completions.create({
        model,
        messages,
        stream: true,
        ...(wanted && { stream_options: { include_usage: true } }),
      });
      let text = '';
      let usage: OpenAI.CompletionUsage | null = null;
      let finishReason: string | null = null;
      for await (const chunk of stream) {
        text += chunk.choices[0]?.delta.content ?? '';
        finishReason = chunk.choices[0]?.finish_reason ?? finishReason;
        usage = chunk.usage ?? usage;
      }
      expect(text.split(' ').length).toBeGreaterThan(3);
      expect(finishReason).toBe('stop');
      if (wanted) expect(usage?.prompt_tokens).toBe(whole.usage?.prompt_tokens);
      else expect(usage).toBeNull();
    }
  });

  it('calls a tool and gives back its result', async () => {
    const first = await client.chat.completions.create({ model, tools: TOOLS, messages: USE_TOOL });
    const message = first.choices[0]?.message;
    const call = message?.tool_calls?.[0];
    expect(first.choices[0]?.finish_reason).toBe('tool_calls');
    if (message === undefined || call?.type !== 'function') throw new Error('no tool call came');
    expect(call.function.name).toBe('get_weather');
    expect(JSON.parse(call.function.arguments)).toEqual({ place: 'Köln' });

    const second = await client.chat.completions.create({
      model,
      tools: TOOLS,
      messages: [...USE_TOOL, message, { role: 'tool', tool_call_id: call.id, content: 'sunny, 21 °C' }],
    });
    expect(second.choices[0]?.message.content).toContain('sunny, 21 °C');
  });

  it('streams the arguments of a tool call', async () => {
    const runner = client.chat.completions.stream({ model, tools: TOOLS, messages: USE_TOOL });
    let pieces = 0;
    runner.on('tool_calls.function.arguments.delta', () => {
      pieces += 1;
    });
    const completion = await runner.finalChatCompletion();
    const call = completion.choices[0]?.message.tool_calls?.[0];
    if (call?.type !== 'function') throw new Error('no tool call came');
    expect(JSON.parse(call.function.arguments)).toEqual({ place: 'Köln' });
    expect(pieces).toBeGreaterThan(1);
    expect(completion.choices[0]?.finish_reason).toBe('tool_calls');
  });

  it('sends images by value and by address', async () => {
    const answer = await client.chat.completions.create({
      model,
      messages: [
        {
          role: 'user',
          content: [
            { type: 'text', text: 'What is this?' },
            { type: 'image_url', image_url: { url: `data:image/png;base64,${PIXEL}` } },
            { type: 'image_url', image_url: { url: 'https://example.com/picture.jpg' } },
          ],
        },
      ],
    });
    expect(answer.choices[0]?.message.content).toContain('Images seen: 2');
    expect(answer.choices[0]?.message.content).toContain('https://example.com/picture.jpg');
  });

  it('stops at the length and at a stop sequence', async () => {
    const messages: ChatCompletionMessageParam[] = [
      { role: 'user', content: 'echo: one two three four five' },
    ];
    const short = await client.chat.completions.create({ model, messages, max_tokens: 2 });
    expect(short.choices[0]?.finish_reason).toBe('length');
    const stopped = await client.chat.completions.create({ model, messages, stop: ['three'] });
    expect(stopped.choices[0]?.message.content?.trim()).toBe('one two');
    expect(stopped.choices[0]?.finish_reason).toBe('stop');
  });

  it.each([
    ['400', 'error-400', OpenAI.BadRequestError],
    ['429', 'error-429-retry-20', OpenAI.RateLimitError],
    ['500', 'error-500', OpenAI.InternalServerError],
  ])('throws its own error for a provider that answers %s', async (_, suffix, errorClass) => {
    const failing = client.chat.completions.create({
      model: `${model}-sim-${suffix}`,
      messages: [{ role: 'user', content: 'hello' }],
    });
    await expect(failing).rejects.toBeInstanceOf(errorClass);
  });

  it('throws its own error in the middle of a broken stream', async () => {
    const stream = await client.chat.completions.create({
      model: `${model}-sim-cut-6`,
      stream: true,
      messages: [{ role: 'user', content: 'Tell me something.' }],
    });
    const read = async (): Promise<void> => {
      for await (const chunk of stream) void chunk;
    };
    await expect(read()).rejects.toThrow();
  });

  it('ends the call upstream when it is aborted', async () => {
    const before = stack.simulator.log.attempts.length;
    const controller = new AbortController();
    const stream = await client.chat.completions.create(
      {
        model: `${model}-sim-pace-50-tokens-400`,
        stream: true,
        messages: [{ role: 'user', content: 'Tell me a lot.' }],
      },
      { signal: controller.signal },
    );
    for await (const chunk of stream) {
      if (chunk.choices[0]?.delta.content) break;
    }
    controller.abort();
    await expectBrokenOff(stack, before);
  });
});

it('the openai package refuses a wrong key by its own error, and lists models', async () => {
  const stranger = new OpenAI({
    apiKey: 'sk-not-a-flo2-key',
    baseURL: `${stack.flo2.url}/v1`,
    maxRetries: 0,
  });
  await expect(stranger.models.list()).rejects.toBeInstanceOf(OpenAI.AuthenticationError);
  const models = (await client.models.list()).data.map(({ id }) => id);
  expect(models).toContain('openai/gpt-4o-mini');
  expect(models).toContain('anthropic/claude-haiku-4-5');
  expect((await client.models.retrieve('openai/gpt-4o-mini')).object).toBe('model');
});
