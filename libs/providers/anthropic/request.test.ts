import { describe, expect, it } from 'vitest';
import type { ChatMessage, ChatRequest } from '#contracts/inference';
import { Inexpressible } from '#domain/inexpressible';
import { DEFAULT_MAX_OUTPUT_TOKENS, encodeAnthropicRequest } from './request.ts';

const HELLO: ChatMessage = { role: 'user', content: [{ type: 'text', text: 'hello' }] };
const TOOL = { name: 'look', description: 'Looks', inputSchema: { type: 'object', properties: {} } };

const requestOf = (changes: Partial<ChatRequest>): ChatRequest => ({
  stream: false,
  system: [],
  messages: [HELLO],
  tools: [],
  stop: [],
  ...changes,
});

const encode = (changes: Partial<ChatRequest> = {}) =>
  encodeAnthropicRequest({
    request: requestOf(changes),
    model: 'claude-haiku-4-5',
    inexpressible: new Inexpressible({ drop: false }),
  });

const refusal = (param: string) => expect.objectContaining({ code: 'invalid_request', param });

describe('requests to the Messages API', () => {
  it('say no more than needed, and always bound the answer', () => {
    expect(encode()).toEqual({
      model: 'claude-haiku-4-5',
      max_tokens: DEFAULT_MAX_OUTPUT_TOKENS,
      messages: [{ role: 'user', content: [{ type: 'text', text: 'hello' }] }],
    });
  });

  it('say everything that was asked', () => {
    const all = encode({
      stream: true,
      system: [{ type: 'text', text: 'Be brief.' }],
      tools: [TOOL],
      toolChoice: { type: 'tool', name: 'look' },
      parallelToolCalls: false,
      maxOutputTokens: 9,
      temperature: 1,
      topP: 0.5,
      topK: 3,
      stop: ['END'],
      endUser: 'u1',
    });
    expect(all).toMatchObject({
      max_tokens: 9,
      system: [{ type: 'text', text: 'Be brief.' }],
      tools: [{ name: 'look', description: 'Looks', input_schema: { type: 'object', properties: {} } }],
      tool_choice: { type: 'tool', name: 'look', disable_parallel_tool_use: true },
      temperature: 1,
      top_p: 0.5,
      top_k: 3,
      stop_sequences: ['END'],
      metadata: { user_id: 'u1' },
      stream: true,
    });
  });

  it('let roles take turns, with the results of tools first and no empty texts', () => {
    const result = (id: string): ChatMessage => ({
      role: 'user',
      content: [
        { type: 'tool_result', toolCallId: id, content: [{ type: 'text', text: id }], isError: false },
      ],
    });
    const messages: ChatMessage[] = [
      HELLO,
      { role: 'assistant', content: [{ type: 'text', text: '' }] },
      HELLO,
      {
        role: 'assistant',
        content: [
          { type: 'text', text: '' },
          { type: 'tool_call', id: 'a', name: 'look', argumentsJson: '{"x":1}' },
        ],
      },
      { role: 'assistant', content: [{ type: 'tool_call', id: 'b', name: 'look', argumentsJson: '' }] },
      result('a'),
      HELLO,
      result('b'),
    ];
    const hello = { type: 'text', text: 'hello' };
    expect(encode({ messages })).toMatchObject({
      messages: [
        { role: 'user', content: [hello, hello] },
        {
          role: 'assistant',
          content: [
            { type: 'tool_use', id: 'a', name: 'look', input: { x: 1 } },
            { type: 'tool_use', id: 'b', name: 'look', input: {} },
          ],
        },
        {
          role: 'user',
          content: [
            { type: 'tool_result', tool_use_id: 'a', content: [{ type: 'text', text: 'a' }] },
            { type: 'tool_result', tool_use_id: 'b', content: [{ type: 'text', text: 'b' }] },
            hello,
          ],
        },
      ],
    });
  });

  it('carry images by value and by address, and failed results', () => {
    const images: ChatMessage = {
      role: 'user',
      content: [
        {
          type: 'tool_result',
          toolCallId: 'a',
          content: [{ type: 'image', source: { kind: 'url', url: 'https://example.com/a.png' } }],
          isError: true,
        },
        { type: 'image', source: { kind: 'base64', mediaType: 'image/png', data: 'AAAA' } },
      ],
    };
    expect(encode({ messages: [images] })).toMatchObject({
      messages: [
        {
          content: [
            {
              is_error: true,
              content: [{ type: 'image', source: { type: 'url', url: 'https://example.com/a.png' } }],
            },
            { type: 'image', source: { type: 'base64', media_type: 'image/png', data: 'AAAA' } },
          ],
        },
      ],
    });
  });

  it.each([
    [{ toolChoice: { type: 'auto' } }, { type: 'auto' }],
    [{ toolChoice: { type: 'required' } }, { type: 'any' }],
    [{ toolChoice: { type: 'none' }, parallelToolCalls: false }, { type: 'none' }],
    [{ parallelToolCalls: false }, { type: 'auto', disable_parallel_tool_use: true }],
    [{ parallelToolCalls: true }, undefined],
    [{}, undefined],
    [{ tools: [], toolChoice: { type: 'auto' } }, undefined],
  ] satisfies [Partial<ChatRequest>, unknown][])('with %j choose tools by %j', (changes, expected) => {
    expect(Reflect.get(encode({ tools: [TOOL], ...changes }), 'tool_choice')).toEqual(expected);
  });

  it('give a tool without parameters the type the API wants', () => {
    expect(encode({ tools: [{ name: 'now', inputSchema: {} }] })).toMatchObject({
      tools: [{ name: 'now', input_schema: { type: 'object' } }],
    });
  });

  it.each([
    ['claude-opus-4-7', { effort: 'high' }, { type: 'adaptive' }, { effort: 'high' }],
    ['claude-sonnet-5', { shown: false }, { type: 'adaptive', display: 'omitted' }, undefined],
    ['claude-opus-4-7', { budgetTokens: 2_000 }, { type: 'enabled', budget_tokens: 2_000 }, undefined],
    ['claude-haiku-4-5', { effort: 'low' }, { type: 'enabled', budget_tokens: 1_024 }, undefined],
    ['claude-sonnet-4-20250514', {}, { type: 'enabled', budget_tokens: 8_192 }, undefined],
    ['claude-opus-4-7', { effort: 'none' }, { type: 'disabled' }, undefined],
    ['claude-haiku-4-5', { budgetTokens: 0 }, { type: 'disabled' }, undefined],
  ] as const)('ask %s to think %j', (model, reasoning, thinking, output) => {
    const request = requestOf({ reasoning });
    const body = encodeAnthropicRequest({
      request,
      model,
      inexpressible: new Inexpressible({ drop: false }),
    });
    expect(body).toMatchObject({ thinking });
    expect((body as Record<string, unknown>)['output_config']).toEqual(output);
  });

  it('leave room for the answer beside a budget of thoughts', () => {
    expect(encode({ reasoning: { budgetTokens: 10_000 } })).toMatchObject({
      max_tokens: DEFAULT_MAX_OUTPUT_TOKENS + 10_000,
    });
    expect(encode({ reasoning: { budgetTokens: 10_000 }, maxOutputTokens: 12_000 })).toMatchObject({
      max_tokens: 12_000,
    });
  });

  it('say how the answer is to be shaped, served and kept', () => {
    const schema = { type: 'object', properties: {} };
    const cached = { type: 'text' as const, text: 'Be brief.', cacheControl: { ttl: '1h' as const } };
    expect(
      encode({
        outputFormat: { type: 'json_schema', name: 'x', schema },
        serviceTier: 'standard',
        system: [cached],
        tools: [{ ...TOOL, strict: true, cacheControl: { ttl: '5m' } }],
      }),
    ).toMatchObject({
      output_config: { format: { type: 'json_schema', schema } },
      service_tier: 'standard_only',
      system: [{ type: 'text', text: 'Be brief.', cache_control: { type: 'ephemeral', ttl: '1h' } }],
      tools: [{ name: 'look', strict: true, cache_control: { type: 'ephemeral' } }],
    });
  });

  it('give back the thoughts that the API sealed, and no others', () => {
    const messages: ChatMessage[] = [
      HELLO,
      {
        role: 'assistant',
        content: [
          { type: 'reasoning', text: 'Hm.', seal: { origin: 'anthropic', kind: 'signature', value: 'sig' } },
          { type: 'reasoning', text: '', seal: { origin: 'anthropic', kind: 'redacted', value: 'data' } },
          { type: 'reasoning', text: 'Foreign.', seal: { origin: 'google', kind: 'signature', value: 'g' } },
          { type: 'reasoning', text: 'Unsealed.' },
          { type: 'text', text: 'Yes.' },
        ],
      },
    ];
    expect((encode({ messages }) as { messages: unknown[] }).messages[1]).toEqual({
      role: 'assistant',
      content: [
        { type: 'thinking', thinking: 'Hm.', signature: 'sig' },
        { type: 'redacted_thinking', data: 'data' },
        { type: 'text', text: 'Yes.' },
      ],
    });
  });

  it('are refused by name where they cannot be said', () => {
    expect(() => encode({ temperature: 1.5 })).toThrow(refusal('temperature'));
    expect(() => encode({ messages: [] })).toThrow(refusal('messages'));
    expect(() =>
      encode({ messages: [{ role: 'assistant', content: [{ type: 'text', text: 'x' }] }] }),
    ).toThrow(refusal('messages'));
    for (const argumentsJson of ['{', '[]', '"x"', 'null', '1']) {
      const call = { type: 'tool_call' as const, id: 'a', name: 'look', argumentsJson };
      expect(() => encode({ messages: [HELLO, { role: 'assistant', content: [call] }] })).toThrow(
        refusal('messages'),
      );
    }
  });
});
