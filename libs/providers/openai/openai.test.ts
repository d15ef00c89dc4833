import { describe, expect, it } from 'vitest';
import type { ChatRequest } from '#contracts/inference';
import { Inexpressible } from '#domain/inexpressible';
import { createChatWire } from './chat-wire.ts';
import { OPENAI_DIALECT } from './dialect.ts';
import { openai } from './openai.ts';

const chatCompletions = createChatWire(OPENAI_DIALECT);

const passThrough = (body: string, stream = true) => {
  const call = chatCompletions.encodePassThrough({
    body: Buffer.from(body),
    model: 'gpt-x',
    stream,
    forwardedHeaders: {},
  });
  return { ...call, body: Buffer.from(call.body).toString('utf8') };
};

describe('a request passed through to OpenAI', () => {
  it('keeps its bytes but for the model', () => {
    expect(passThrough('{ "seed":12345678901234567890, "model":"openai/gpt-x","new":[1.0] }', false)).toEqual(
      {
        path: '/chat/completions',
        headers: { 'content-type': 'application/json' },
        body: '{ "seed":12345678901234567890, "model":"gpt-x","new":[1.0] }',
        usageInjected: false,
      },
    );
  });

  it.each([
    ['{"model":"m"}', '{"model":"gpt-x","stream_options":{"include_usage":true}}', true],
    [
      '{"stream_options":null,"model":"m"}',
      '{"stream_options":{"include_usage":true},"model":"gpt-x"}',
      true,
    ],
    [
      '{"stream_options":{"include_obfuscation":false,"include_usage":false},"model":"m"}',
      '{"stream_options":{"include_obfuscation":false,"include_usage":true},"model":"gpt-x"}',
      true,
    ],
    [
      '{"stream_options":{ "include_usage":true },"model":"m"}',
      '{"stream_options":{ "include_usage":true },"model":"gpt-x"}',
      false,
    ],
  ])('asks for usage in the stream of %s', (body, expected, usageInjected) => {
    expect(passThrough(body)).toMatchObject({ body: expected, usageInjected });
  });
});

describe('a request translated for OpenAI', () => {
  const encode = (request: Partial<ChatRequest>): unknown => {
    const whole: ChatRequest = { stream: false, system: [], messages: [], tools: [], stop: [], ...request };
    const inexpressible = new Inexpressible({ drop: false });
    const { body } = chatCompletions.encodeRequest({ request: whole, model: 'gpt-x', inexpressible });
    return JSON.parse(Buffer.from(body).toString('utf8'));
  };
  const text = (words: string) => ({ type: 'text' as const, text: words });
  const image = {
    type: 'image' as const,
    source: { kind: 'base64' as const, mediaType: 'image/png', data: 'AAAA' },
  };

  it('has every option in its own place', () => {
    expect(
      encode({
        stream: true,
        system: [text('Be brief.')],
        messages: [{ role: 'user', content: [text('Hi')] }],
        tools: [{ name: 'f', description: 'does', inputSchema: { type: 'object' } }],
        toolChoice: { type: 'tool', name: 'f' },
        parallelToolCalls: false,
        maxOutputTokens: 10,
        temperature: 0,
        topP: 0.5,
        stop: ['END'],
        endUser: 'ada',
      }),
    ).toEqual({
      model: 'gpt-x',
      messages: [
        { role: 'system', content: 'Be brief.' },
        { role: 'user', content: 'Hi' },
      ],
      tools: [
        { type: 'function', function: { name: 'f', description: 'does', parameters: { type: 'object' } } },
      ],
      tool_choice: { type: 'function', function: { name: 'f' } },
      parallel_tool_calls: false,
      max_completion_tokens: 10,
      temperature: 0,
      top_p: 0.5,
      stop: ['END'],
      user: 'ada',
      stream: true,
      stream_options: { include_usage: true },
    });
  });

  it('leaves out options of tools where there are none, which the API refuses', () => {
    expect(encode({ toolChoice: { type: 'auto' }, parallelToolCalls: true })).toEqual({
      model: 'gpt-x',
      messages: [],
    });
  });

  it('has images as URLs', () => {
    const url = {
      type: 'image' as const,
      source: { kind: 'url' as const, url: 'https://example.com/a.png' },
    };
    expect(encode({ messages: [{ role: 'user', content: [text('See'), url, image] }] })).toMatchObject({
      messages: [
        {
          role: 'user',
          content: [
            { type: 'text', text: 'See' },
            { type: 'image_url', image_url: { url: 'https://example.com/a.png' } },
            { type: 'image_url', image_url: { url: 'data:image/png;base64,AAAA' } },
          ],
        },
      ],
    });
  });

  it('has calls, then their results, then what else they hold and what the user adds', () => {
    const result = { type: 'tool_result' as const, isError: false };
    expect(
      encode({
        messages: [
          { role: 'assistant', content: [{ type: 'tool_call', id: 'a', name: 'f', argumentsJson: '{}' }] },
          {
            role: 'user',
            content: [
              { ...result, toolCallId: 'a', content: [image] },
              { ...result, toolCallId: 'b', content: [text('broke')], isError: true },
              text('And now?'),
            ],
          },
        ],
      }),
    ).toMatchObject({
      messages: [
        {
          role: 'assistant',
          content: null,
          tool_calls: [{ id: 'a', type: 'function', function: { name: 'f', arguments: '{}' } }],
        },
        { role: 'tool', tool_call_id: 'a', content: 'What it holds follows.' },
        { role: 'tool', tool_call_id: 'b', content: 'Error: broke' },
        { role: 'user', content: [{ type: 'text' }, { type: 'image_url' }] },
        { role: 'user', content: 'And now?' },
      ],
    });
  });
});

it('sends the key in its header alone and reads the request id', () => {
  expect(openai.authorize('sk-1')).toEqual({ authorization: 'Bearer sk-1' });
  expect(openai.readRequestId({ 'x-request-id': 'req_1' })).toBe('req_1');
  expect(openai.readRequestId({})).toBe(null);
});
