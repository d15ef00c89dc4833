import { describe, expect, it } from 'vitest';
import { FloError } from '#domain/errors';
import { Inexpressible } from '#domain/inexpressible';
import { wrapSeal } from '../seal-text.ts';
import { decodeResponsesRequest, readResponsesRequest } from './request.ts';

const BODY = { model: 'anthropic/claude-x', input: 'hello' };

const decode = (body: object, inexpressible = new Inexpressible({ drop: false })) =>
  decodeResponsesRequest({ body, stream: false, inexpressible });

const paramOf = (run: () => unknown): string | undefined => {
  try {
    run();
  } catch (error) {
    if (error instanceof FloError && error.code === 'invalid_request') return error.param;
    throw error;
  }
  throw new Error('nothing was refused');
};

describe('what admission reads of a request', () => {
  it('is the model, the bound, the stream, the end user and the labels', () => {
    expect(
      readResponsesRequest({ ...BODY, stream: true, max_output_tokens: 9, user: 'u', metadata: { a: 'b' } }),
    ).toEqual({
      model: 'anthropic/claude-x',
      stream: true,
      streamFraming: 'sse',
      maxOutputTokens: 9,
      endUser: 'u',
      metadata: { a: 'b' },
    });
  });

  it('leaves state that a provider keeps, and what it does not know, to the provider', () => {
    expect(() =>
      readResponsesRequest({ model: 'm', previous_response_id: 'resp_1', store: true, unheard_of: 1 }),
    ).not.toThrow();
  });

  it.each([
    ['model', { model: undefined }],
    ['input', { input: undefined }],
    ['input', { input: [] }],
    ['input', { input: 5 }],
    ['input.0', { input: ['x'] }],
    ['background', { background: true }],
    ['stream', { stream: 'yes' }],
    ['max_output_tokens', { max_output_tokens: 0 }],
    ['metadata.a', { metadata: { a: 1 } }],
  ])('names %s where it is wrong', (param, changes) => {
    expect(paramOf(() => readResponsesRequest({ ...BODY, ...changes }))).toBe(param);
  });
});

describe('a request in canonical form', () => {
  it('holds everything the dialect can ask of any provider', () => {
    const callSeal = { origin: 'google', kind: 'signature', value: 'sig' } as const;
    const request = decode({
      model: 'm',
      instructions: 'Be brief.',
      input: [
        { role: 'developer', content: 'And kind.' },
        {
          role: 'user',
          content: [
            { type: 'input_text', text: 'Look.' },
            { type: 'input_image', image_url: 'data:image/png;base64,AAAA', detail: 'low' },
            { type: 'input_file', filename: 'a.pdf', file_data: 'data:application/pdf;base64,BBBB' },
            { type: 'input_file', file_url: 'https://example.com/b.pdf' },
          ],
        },
        {
          type: 'reasoning',
          id: 'rs_1',
          summary: [{ type: 'summary_text', text: 'hm' }],
          encrypted_content: 'gAAA',
        },
        { type: 'reasoning', id: 'rs_2', summary: [], encrypted_content: wrapSeal(callSeal, 'call_1') },
        {
          type: 'message',
          id: 'msg_1',
          role: 'assistant',
          status: 'completed',
          content: [{ type: 'output_text', text: 'Looking.', annotations: [] }],
        },
        { type: 'function_call', id: 'fc_1', call_id: 'call_1', name: 'look', arguments: '{"a":1}' },
        { type: 'function_call_output', call_id: 'call_1', output: 'fog' },
        {
          type: 'function_call_output',
          call_id: 'call_2',
          output: [{ type: 'input_text', text: 'sun' }],
        },
      ],
      tools: [
        {
          type: 'function',
          name: 'look',
          description: 'Looks',
          parameters: { type: 'object' },
          strict: true,
        },
        { type: 'function', name: 'now', parameters: null, strict: null },
      ],
      tool_choice: { type: 'function', name: 'look' },
      parallel_tool_calls: false,
      max_output_tokens: 9,
      temperature: 0.5,
      top_p: 0.9,
      top_logprobs: 3,
      include: ['reasoning.encrypted_content', 'message.output_text.logprobs'],
      reasoning: { effort: 'low', summary: 'auto' },
      text: {
        verbosity: 'low',
        format: { type: 'json_schema', name: 'n', schema: { type: 'object' }, strict: true },
      },
      service_tier: 'default',
      user: 'u',
      store: false,
      background: false,
      truncation: 'disabled',
      metadata: { a: 'b' },
    });
    expect(request).toEqual({
      stream: false,
      system: [
        { type: 'text', text: 'Be brief.' },
        { type: 'text', text: 'And kind.' },
      ],
      messages: [
        {
          role: 'user',
          content: [
            { type: 'text', text: 'Look.' },
            {
              type: 'image',
              source: { kind: 'base64', mediaType: 'image/png', data: 'AAAA' },
              detail: 'low',
            },
            {
              type: 'document',
              source: { kind: 'base64', mediaType: 'application/pdf', data: 'BBBB' },
              title: 'a.pdf',
            },
            { type: 'document', source: { kind: 'url', url: 'https://example.com/b.pdf' } },
          ],
        },
        {
          role: 'assistant',
          content: [
            {
              type: 'reasoning',
              text: 'hm',
              seal: { origin: 'openai', kind: 'encrypted', value: 'gAAA', id: 'rs_1' },
            },
            { type: 'text', text: 'Looking.' },
            { type: 'tool_call', id: 'call_1', name: 'look', argumentsJson: '{"a":1}', seal: callSeal },
          ],
        },
        {
          role: 'user',
          content: [
            {
              type: 'tool_result',
              toolCallId: 'call_1',
              content: [{ type: 'text', text: 'fog' }],
              isError: false,
            },
            {
              type: 'tool_result',
              toolCallId: 'call_2',
              content: [{ type: 'text', text: 'sun' }],
              isError: false,
            },
          ],
        },
      ],
      tools: [
        { name: 'look', description: 'Looks', inputSchema: { type: 'object' }, strict: true },
        { name: 'now', inputSchema: { type: 'object', properties: {} } },
      ],
      toolChoice: { type: 'tool', name: 'look' },
      parallelToolCalls: false,
      outputFormat: { type: 'json_schema', name: 'n', schema: { type: 'object' }, strict: true },
      reasoning: { effort: 'low', shown: true },
      maxOutputTokens: 9,
      temperature: 0.5,
      topP: 0.9,
      logprobs: 3,
      verbosity: 'low',
      serviceTier: 'standard',
      stop: [],
      endUser: 'u',
    });
  });

  it('reads a choice among some tools as one among these alone', () => {
    const tools = ['a', 'b'].map((name) => ({ type: 'function', name }));
    const allowed = (names: string[]) => ({
      type: 'allowed_tools',
      mode: 'required',
      tools: names.map((name) => ({ type: 'function', name })),
    });
    expect(decode({ ...BODY, tools, tool_choice: allowed(['b']) })).toMatchObject({
      tools: [{ name: 'b' }],
      toolChoice: { type: 'required' },
    });
    expect(paramOf(() => decode({ ...BODY, tools, tool_choice: allowed(['z']) }))).toBe('tool_choice.tools');
  });

  it.each([
    ['store', { store: true }],
    ['truncation', { truncation: 'auto' }],
    ['tools.0', { tools: [{ type: 'web_search' }] }],
    ['include', { include: ['web_search_call.action.sources'] }],
    ['service_tier', { service_tier: 'scale' }],
    ['moderation', { moderation: {} }],
    ['input.0.unheard_of', { input: [{ role: 'user', content: 'x', unheard_of: 1 }] }],
    ['tools.0.defer_loading', { tools: [{ type: 'function', name: 'f', defer_loading: true }] }],
    ['unheard_of', { unheard_of: 1 }],
  ])('names %s, which no other provider knows, or drops it where that is asked for', (param, changes) => {
    expect(paramOf(() => decode({ ...BODY, ...changes }))).toBe(param);
    const lenient = new Inexpressible({ drop: true });
    decode({ ...BODY, ...changes }, lenient);
    expect(lenient.dropped).toEqual([param]);
  });

  it.each([
    ['previous_response_id', { previous_response_id: 'resp_1' }],
    ['conversation', { conversation: 'conv_1' }],
    ['prompt', { prompt: { id: 'pmpt_1' } }],
    ['input.0.type', { input: [{ type: 'item_reference', id: 'x' }] }],
    ['input.0.type', { input: [{ type: 'web_search_call' }] }],
    ['input.0.role', { input: [{ role: 'tool', content: 'x' }] }],
    [
      'input.0.content.0.image_url',
      { input: [{ role: 'user', content: [{ type: 'input_image', file_id: 'file_1' }] }] },
    ],
    [
      'input.0.content.0.file_data',
      { input: [{ role: 'user', content: [{ type: 'input_file', file_id: 'file_1' }] }] },
    ],
    ['text.format.type', { text: { format: { type: 'grammar' } } }],
    ['tool_choice.type', { tool_choice: { type: 'web_search' } }],
  ])('refuses by its name %s, which would change the question', (param, changes) => {
    expect(paramOf(() => decode({ ...BODY, ...changes }, new Inexpressible({ drop: true })))).toBe(param);
  });
});
