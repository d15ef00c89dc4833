import { describe, expect, it } from 'vitest';
import { FloError } from '#domain/errors';
import { Inexpressible } from '#domain/inexpressible';
import { NO_SEAL, wrapSeal } from '../seal-text.ts';
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
      system: [{ type: 'text', text: 'Be brief.', cacheControl: { ttl: '5m' } }],
      messages: [
        { role: 'user', content: [{ type: 'text', text: 'Look at Köln.' }] },
        {
          role: 'assistant',
          content: [
            {
              type: 'reasoning',
              text: 'hm',
              seal: { origin: 'anthropic', kind: 'signature', value: 'x' },
            },
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

  it('hold documents, what is to be cached, and how the answer is wanted', () => {
    const request = decode({
      ...BODY,
      messages: [
        {
          role: 'user',
          content: [
            {
              type: 'document',
              title: 'A',
              source: { type: 'base64', media_type: 'application/pdf', data: 'AAAA' },
              cache_control: { type: 'ephemeral', ttl: '1h' },
            },
            { type: 'document', source: { type: 'text', media_type: 'text/plain', data: 'hi' } },
            { type: 'document', source: { type: 'url', url: 'https://example.com/a.pdf' } },
          ],
        },
      ],
      tools: [{ name: 'f', input_schema: { type: 'object' }, strict: true }],
      thinking: { type: 'enabled', budget_tokens: 1_024 },
      output_config: { effort: 'low', format: { type: 'json_schema', schema: { type: 'object' } } },
      service_tier: 'standard_only',
    });
    expect(request).toMatchObject({
      messages: [
        {
          content: [
            {
              type: 'document',
              source: { kind: 'base64', mediaType: 'application/pdf', data: 'AAAA' },
              title: 'A',
              cacheControl: { ttl: '1h' },
            },
            { type: 'document', source: { kind: 'text', text: 'hi' } },
            { type: 'document', source: { kind: 'url', url: 'https://example.com/a.pdf' } },
          ],
        },
      ],
      tools: [{ name: 'f', strict: true }],
      reasoning: { budgetTokens: 1_024, effort: 'low', shown: true },
      outputFormat: { type: 'json_schema', schema: { type: 'object' }, strict: true },
      serviceTier: 'standard',
    });
    const adaptive = decode({ ...BODY, thinking: { type: 'adaptive', display: 'omitted' } });
    expect(adaptive.reasoning).toEqual({ shown: false });
  });

  it('give back to each provider its own proof of what it thought', () => {
    const seal = { origin: 'google', kind: 'signature', value: 'sig' } as const;
    const content = [
      { type: 'thinking', thinking: 'hm', signature: wrapSeal(seal) },
      { type: 'thinking', thinking: 'so', signature: NO_SEAL },
      { type: 'redacted_thinking', data: 'EmwK' },
      { type: 'redacted_thinking', data: wrapSeal(seal, 'b') },
      { type: 'tool_use', id: 'a', name: 'f', input: {} },
      { type: 'tool_use', id: 'b', name: 'f', input: {} },
    ];
    const request = decode({ ...BODY, messages: [...BODY.messages, { role: 'assistant', content }] });
    expect(request.messages[1]?.content).toEqual([
      { type: 'reasoning', text: 'hm', seal },
      { type: 'reasoning', text: 'so' },
      { type: 'reasoning', text: '', seal: { origin: 'anthropic', kind: 'redacted', value: 'EmwK' } },
      { type: 'tool_call', id: 'a', name: 'f', argumentsJson: '{}' },
      { type: 'tool_call', id: 'b', name: 'f', argumentsJson: '{}', seal },
    ]);
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
});
