/** The official `@anthropic-ai/sdk` package, unmodified, against models of both providers. */
import Anthropic from '@anthropic-ai/sdk';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { expectBrokenOff } from '#test/support/broken-off-call';
import { countedTokens, startStack, type Stack } from '#test/support/stack';

let stack: Stack;
let client: Anthropic;

beforeAll(async () => {
  stack = await startStack();
  const { apiKey } = await stack.createTenant();
  client = new Anthropic({ apiKey, baseURL: stack.flo2.url, maxRetries: 0 });
});

afterAll(() => stack.close());

const PIXEL =
  'iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==';

const TOOLS: Anthropic.Tool[] = [
  {
    name: 'get_weather',
    description: 'Weather of a place',
    input_schema: { type: 'object', properties: { place: { type: 'string' } }, required: ['place'] },
  },
];

const USE_TOOL: Anthropic.MessageParam[] = [
  { role: 'user', content: 'use get_weather with {"place":"Köln"}' },
];

const textOf = (message: Anthropic.Message): string =>
  message.content.map((block) => (block.type === 'text' ? block.text : '')).join('');

const toolUseOf = (message: Anthropic.Message): Anthropic.ToolUseBlock => {
  const block = message.content.find((part) => part.type === 'tool_use');
  if (block === undefined) throw new Error('no tool use came');
  return block;
};

describe.each(['anthropic/claude-haiku-4-5', 'openai/gpt-4o-mini'])(
  'the anthropic package with %s',
  (model) => {
    it('gets an answer', async () => {
      const { data, response } = await client.messages
        .create({
          model,
          max_tokens: 100,
          system: 'Be brief.',
          messages: [{ role: 'user', content: 'echo: grüße 👋' }],
        })
        .withResponse();
      expect(textOf(data)).toBe('grüße 👋');
      expect(data.stop_reason).toBe('end_turn');
      expect(data.usage.input_tokens).toBeGreaterThan(0);

      const [attempt] = await stack.attemptsOf(response.headers.get('x-flo2-request-id') ?? '', 1);
      const call = stack.simulator.log.attempts.find(({ attemptId }) => attemptId === attempt?.attempt_id);
      expect(attempt).toMatchObject({ outcome: 'succeeded', pricing: 'priced' });
      expect(countedTokens(attempt?.tokens)).toEqual(countedTokens(call?.tokens));
    });

    it('gets a stream that its own helper puts together', async () => {
      const stream = client.messages.stream({
        model,
        max_tokens: 100,
        messages: [{ role: 'user', content: 'Tell me something.' }],
      });
      let text = '';
      stream.on('text', (delta) => {
        text += delta;
      });
      const message = await stream.finalMessage();
      expect(textOf(message)).toBe(text);
      expect(text.split(' ').length).toBeGreaterThan(3);
      expect(message.stop_reason).toBe('end_turn');
      expect(message.usage.output_tokens).toBeGreaterThan(3);
    });

    it('calls a tool and gives back its result', async () => {
      const first = await client.messages.create({
        model,
        max_tokens: 200,
        tools: TOOLS,
        messages: USE_TOOL,
      });
      expect(first.stop_reason).toBe('tool_use');
      const toolUse = toolUseOf(first);
      expect(toolUse).toMatchObject({ name: 'get_weather', input: { place: 'Köln' } });

      const second = await client.messages.create({
        model,
        max_tokens: 200,
        tools: TOOLS,
        messages: [
          ...USE_TOOL,
          { role: 'assistant', content: first.content },
          {
            role: 'user',
            content: [{ type: 'tool_result', tool_use_id: toolUse.id, content: 'sunny, 21 °C' }],
          },
        ],
      });
      expect(textOf(second)).toContain('sunny, 21 °C');
    });

    it('streams the input of a tool use', async () => {
      const stream = client.messages.stream({ model, max_tokens: 200, tools: TOOLS, messages: USE_TOOL });
      let pieces = 0;
      stream.on('inputJson', () => {
        pieces += 1;
      });
      const message = await stream.finalMessage();
      expect(toolUseOf(message).input).toEqual({ place: 'Köln' });
      expect(message.stop_reason).toBe('tool_use');
      expect(pieces).toBeGreaterThan(1);
    });

    it('sends images by value and by address', async () => {
      const message = await client.messages.create({
        model,
        max_tokens: 100,
        messages: [
          {
            role: 'user',
            content: [
              { type: 'text', text: 'What is this?' },
              { type: 'image', source: { type: 'base64', media_type: 'image/png', data: PIXEL } },
              { type: 'image', source: { type: 'url', url: 'https://example.com/picture.jpg' } },
            ],
          },
        ],
      });
      expect(textOf(message)).toContain('Images seen: 2');
      expect(textOf(message)).toContain('https://example.com/picture.jpg');
    });

    it('stops at the length', async () => {
      const message = await client.messages.create({
        model,
        max_tokens: 2,
        messages: [{ role: 'user', content: 'echo: one two three four five' }],
      });
      expect(message.stop_reason).toBe('max_tokens');
    });

    it.each([
      ['400', 'error-400', Anthropic.BadRequestError],
      ['429', 'error-429-retry-20', Anthropic.RateLimitError],
      ['500', 'error-500', Anthropic.InternalServerError],
    ])('throws its own error for a provider that answers %s', async (_, suffix, errorClass) => {
      const failing = client.messages.create({
        model: `${model}-sim-${suffix}`,
        max_tokens: 50,
        messages: [{ role: 'user', content: 'hello' }],
      });
      await expect(failing).rejects.toBeInstanceOf(errorClass);
    });

    it('throws its own error in the middle of a broken stream', async () => {
      const stream = client.messages.stream({
        model: `${model}-sim-cut-6`,
        max_tokens: 50,
        messages: [{ role: 'user', content: 'Tell me something.' }],
      });
      await expect(stream.finalMessage()).rejects.toThrow();
    });

    it('ends the call upstream when it is aborted', async () => {
      const before = stack.simulator.log.attempts.length;
      const stream = client.messages.stream({
        model: `${model}-sim-pace-50-tokens-400`,
        max_tokens: 1_000,
        messages: [{ role: 'user', content: 'Tell me a lot.' }],
      });
      await new Promise<void>((resolve) => stream.once('text', () => resolve()));
      const done = stream.done().catch((error: unknown) => error);
      stream.abort();
      expect(await done).toBeInstanceOf(Anthropic.APIUserAbortError);
      await expectBrokenOff(stack, before);
    });
  },
);

it('the anthropic package refuses a wrong key by its own error, and lists models', async () => {
  const stranger = new Anthropic({ apiKey: 'sk-ant-not-flo2', baseURL: stack.flo2.url, maxRetries: 0 });
  await expect(stranger.models.list()).rejects.toBeInstanceOf(Anthropic.AuthenticationError);
  const models = (await client.models.list()).data.map(({ id }) => id);
  expect(models).toContain('anthropic/claude-haiku-4-5');
});
