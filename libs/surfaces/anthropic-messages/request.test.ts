import { describe, expect, it } from 'vitest';
import { FloError } from '#domain/errors';
import { Inexpressible } from '#domain/inexpressible';
import { decodeAnthropicRequest, readAnthropicRequest } from './request.ts';

const BODY = {
  model: 'anthropic/claude-haiku-4-5',
  max_tokens: 100,
  messages: [{ role: 'user', content: 'hello' }],
};

const paramOf = (run: () => unknown): string | undefined => {
  try {
    run();
  } catch (error) {
    if (error instanceof FloError && error.code === 'invalid_request') {
      expect(error.message).toMatch(/must|cannot/);
      if (error.param !== undefined) expect(error.message).toContain(error.param);
      return error.param;
    }
    throw error;
  }
  throw new Error('nothing was refused');
};

describe('what admission reads of a message request', () => {
  it('is the model, the bound, the stream and the end user', () => {
    expect(readAnthropicRequest(BODY)).toEqual({
      model: 'anthropic/claude-haiku-4-5',
      stream: false,
      streamFraming: 'sse',
      maxOutputTokens: 100,
      endUser: null,
      metadata: {},
    });
    expect(readAnthropicRequest({ ...BODY, stream: true, metadata: { user_id: 'u1' } })).toMatchObject({
      stream: true,
      endUser: 'u1',
    });
  });

  it('leaves fields it does not know to the provider', () => {
    expect(() =>
      readAnthropicRequest({ ...BODY, thinking: { type: 'enabled' }, unheard_of: 1 }),
    ).not.toThrow();
  });

  it.each([
    ['model', { model: undefined }],
    ['model', { model: '' }],
    ['model', { model: 5 }],
    ['max_tokens', { max_tokens: undefined }],
    ['max_tokens', { max_tokens: 0 }],
    ['max_tokens', { max_tokens: 1.5 }],
    ['max_tokens', { max_tokens: '5' }],
    ['messages', { messages: 'hello' }],
    ['messages', { messages: [] }],
    ['messages.0', { messages: ['hello'] }],
    ['messages.0.role', { messages: [{ content: 'x' }] }],
    ['messages.1.content', { messages: [BODY.messages[0], { role: 'user', content: 5 }] }],
    ['stream', { stream: 'yes' }],
    ['metadata', { metadata: 'x' }],
    ['metadata.user_id', { metadata: { user_id: 5 } }],
  ])('names %s where it is wrong', (param, changes) => {
    expect(paramOf(() => readAnthropicRequest({ ...BODY, ...changes }))).toBe(param);
  });

  it.each([null, undefined, [], 'x', 5])('asks for an object instead of %j', (body) => {
    expect(() => readAnthropicRequest(body)).toThrow(/object/);
  });
});

const decode = (body: object) =>
  decodeAnthropicRequest({
    body,
    stream: 'stream' in body,
    inexpressible: new Inexpressible({ drop: false }),
  });

describe('message requests in canonical form', () => {
  it('hold everything a request can ask of any provider', () => {
    const request = decode({
      ...BODY,
      stream: true,
      system: [{ type: 'text', text: 'Be brief.', cache_control: { type: 'ephemeral' } }],
      messages: [
        { role: 'user', content: 'Look at Köln.' },
        {
          role: 'assistant',
          content: [
            { type: 'thinking', thinking: 'hm', signature: 'x' },
            { type: 'text', text: 'Looking.', citations: null },
            { type: 'tool_use', id: 'toolu_1', name: 'look', input: { place: 'Köln' }, caller: {} },
          ],
        },
        {
          role: 'user',
          content: [
            {
              type: 'tool_result',
              tool_use_id: 'toolu_1',
              is_error: true,
              content: [
                { type: 'text', text: 'fog' },
                { type: 'image', source: { type: 'url', url: 'https://example.com/a.png' } },
              ],
            },
            { type: 'tool_result', tool_use_id: 'toolu_2', content: 'sun' },
            { type: 'tool_result', tool_use_id: 'toolu_3' },
            { type: 'image', source: { type: 'base64', media_type: 'image/png', data: 'AAAA' } },
          ],
        },
      ],
      tools: [
        { name: 'look', description: 'Looks', input_schema: { type: 'object' }, cache_control: null },
        { type: 'custom', name: 'now', input_schema: { type: 'object' } },
      ],
      tool_choice: { type: 'any', disable_parallel_tool_use: true },
      temperature: 0.5,
      top_p: 0.9,
      top_k: 4,
      stop_sequences: ['END'],
      metadata: { user_id: 'u1' },
      thinking: { type: 'disabled' },
      service_tier: 'auto',
      mcp_servers: [],
      output_config: {},
      container: null,
    });
    expect(request).toEqual({
      stream: true,
      system: [{ type: 'text', text: 'Be brief.' }],
      messages: [
        { role: 'user', content: [{ type: 'text', text: 'Look at Köln.' }] },
        {
          role: 'assistant',
          content: [
            { type: 'text', text: 'Looking.' },
            { type: 'tool_call', id: 'toolu_1', name: 'look', argumentsJson: '{"place":"Köln"}' },
          ],
        },
        {
          role: 'user',
          content: [
            {
              type: 'tool_result',
              toolCallId: 'toolu_1',
              content: [
                { type: 'text', text: 'fog' },
                { type: 'image', source: { kind: 'url', url: 'https://example.com/a.png' } },
              ],
              isError: true,
            },
            {
              type: 'tool_result',
              toolCallId: 'toolu_2',
              content: [{ type: 'text', text: 'sun' }],
              isError: false,
            },
            { type: 'tool_result', toolCallId: 'toolu_3', content: [], isError: false },
            { type: 'image', source: { kind: 'base64', mediaType: 'image/png', data: 'AAAA' } },
          ],
        },
      ],
      tools: [
        { name: 'look', description: 'Looks', inputSchema: { type: 'object' } },
        { name: 'now', inputSchema: { type: 'object' } },
      ],
      toolChoice: { type: 'required' },
      parallelToolCalls: false,
      maxOutputTokens: 100,
      temperature: 0.5,
      topP: 0.9,
      topK: 4,
      stop: ['END'],
      endUser: 'u1',
    });
  });

  it.each([
    [{ type: 'auto' }, { type: 'auto' }],
    [{ type: 'none' }, { type: 'none' }],
    [
      { type: 'tool', name: 'look' },
      { type: 'tool', name: 'look' },
    ],
  ])('choose tools by %j', (choice, expected) => {
    expect(decode({ ...BODY, tool_choice: choice }).toolChoice).toEqual(expected);
  });

  const say = (role: string, block: object) => ({ messages: [{ role, content: [block] }] });
  it.each([
    ['thinking', { thinking: { type: 'enabled', budget_tokens: 1024 } }],
    ['thinking', { thinking: { type: 'adaptive' } }],
    ['container', { container: 'c1' }],
    ['mcp_servers', { mcp_servers: [{}] }],
    ['context_management', { context_management: {} }],
    ['output_config', { output_config: { effort: 'low' } }],
    ['service_tier', { service_tier: 'priority' }],
    ['unheard_of', { unheard_of: 1 }],
    ['tools.0.type', { tools: [{ type: 'web_search_20250305', name: 'web_search' }] }],
    ['tools.0.input_schema', { tools: [{ name: 'look' }] }],
    ['tools', { tools: {} }],
    ['tool_choice.type', { tool_choice: { type: 'some' } }],
    ['tool_choice.name', { tool_choice: { type: 'tool' } }],
    ['tool_choice', { tool_choice: 'auto' }],
    ['temperature', { temperature: 'hot' }],
    ['top_k', { top_k: 'few' }],
    ['stop_sequences.1', { stop_sequences: ['a', 5] }],
    ['system', { system: 5 }],
    ['system.0.type', { system: [{ type: 'image' }] }],
    ['messages.0.role', { messages: [{ role: 'system', content: 'x' }] }],
    ['messages.0.content.0.type', say('user', { type: 'document', source: {} })],
    ['messages.0.content.0.type', say('user', { type: 'tool_use' })],
    ['messages.0.content.0.type', say('assistant', { type: 'server_tool_use' })],
    ['messages.0.content.0.text', say('user', { type: 'text' })],
    [
      'messages.0.content.0.source.type',
      say('user', { type: 'image', source: { type: 'file', file_id: 'f' } }),
    ],
    [
      'messages.0.content.0.source.data',
      say('user', { type: 'image', source: { type: 'base64', media_type: 'x' } }),
    ],
    ['messages.0.content.0.tool_use_id', say('user', { type: 'tool_result' })],
    [
      'messages.0.content.0.content.0.type',
      say('user', { type: 'tool_result', tool_use_id: 'a', content: [{ type: 'document' }] }),
    ],
    ['messages.0.content.0.input', say('assistant', { type: 'tool_use', id: 'a', name: 'b', input: '{}' })],
  ])('refuse %s by name where it cannot be expressed', (param, changes) => {
    expect(paramOf(() => decode({ ...BODY, ...changes }))).toBe(param);
  });
});
