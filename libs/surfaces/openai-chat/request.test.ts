import { describe, expect, it } from 'vitest';
import { Inexpressible } from '#domain/inexpressible';
import { openaiChat } from './openai-chat.ts';
import { readOpenaiRequest } from './request.ts';

const USER = { role: 'user', content: 'Hi' };
const body = (rest: object = {}) => ({ model: 'anthropic/claude-x', messages: [USER], ...rest });
const refusalOf = (param: string) => expect.objectContaining({ code: 'invalid_request', param });

describe('what admission reads of a chat completion request', () => {
  it('is the model and what bears on admission', () => {
    const metadata = { team: 'search' };
    expect(
      readOpenaiRequest(
        body({ stream: true, max_completion_tokens: 9, user: 'ada', metadata, new_field: {} }),
      ),
    ).toEqual({
      model: 'anthropic/claude-x',
      stream: true,
      streamFraming: 'sse',
      maxOutputTokens: 9,
      endUser: 'ada',
      metadata,
    });
  });

  it('takes absent and null for the same, and the older name of the bound', () => {
    const plain = {
      model: 'anthropic/claude-x',
      stream: false,
      streamFraming: 'sse',
      maxOutputTokens: null,
      endUser: null,
      metadata: {},
    };
    expect(readOpenaiRequest(body())).toEqual(plain);
    expect(
      readOpenaiRequest(
        body({
          stream: null,
          max_tokens: null,
          max_completion_tokens: null,
          user: null,
          metadata: null,
          stream_options: null,
        }),
      ),
    ).toEqual(plain);
    expect(readOpenaiRequest(body({ max_tokens: 5 })).maxOutputTokens).toBe(5);
  });

  it.each([
    [{ model: undefined }, 'model'],
    [{ model: '' }, 'model'],
    [{ model: 7 }, 'model'],
    [{ messages: undefined }, 'messages'],
    [{ messages: [] }, 'messages'],
    [{ messages: 'Hi' }, 'messages'],
    [{ messages: [USER, 'Hi'] }, 'messages.1'],
    [{ messages: [{ content: 'Hi' }] }, 'messages.0.role'],
    [{ stream: 'true' }, 'stream'],
    [{ stream_options: true }, 'stream_options'],
    [{ stream_options: { include_usage: 'yes' } }, 'stream_options.include_usage'],
    [{ max_tokens: '5' }, 'max_tokens'],
    [{ max_completion_tokens: 0 }, 'max_completion_tokens'],
    [{ max_completion_tokens: 1.5 }, 'max_completion_tokens'],
    [{ user: {} }, 'user'],
    [{ metadata: 'a' }, 'metadata'],
    [{ metadata: { team: 1 } }, 'metadata.team'],
  ])('refuses %j and names %s', (rest, param) => {
    expect(() => readOpenaiRequest(body(rest))).toThrow(refusalOf(param));
  });

  it.each([null, 'text', [], 7])('refuses the body %j', (value) => {
    expect(() => readOpenaiRequest(value)).toThrow('The body must be a JSON object.');
  });
});

describe('a chat completion request for another dialect', () => {
  const decode = (rest: object) =>
    openaiChat.decodeRequest({
      body: body(rest),
      stream: 'stream' in rest,
      inexpressible: new Inexpressible({ drop: false }),
    });

  it('has every option in canonical form', () => {
    const parameters = { type: 'object', properties: { place: { type: 'string' } } };
    expect(
      decode({
        stream: true,
        messages: [{ role: 'system', content: 'Be brief.' }, { role: 'developer', content: 'Truly.' }, USER],
        tools: [
          { type: 'function', function: { name: 'f', description: 'does', parameters, strict: true } },
          { type: 'function', function: { name: 'g' } },
        ],
        tool_choice: { type: 'function', function: { name: 'f' } },
        parallel_tool_calls: false,
        max_completion_tokens: 9,
        temperature: 0,
        top_p: 0.5,
        stop: 'END',
        user: 'ada',
      }),
    ).toEqual({
      stream: true,
      system: [
        { type: 'text', text: 'Be brief.' },
        { type: 'text', text: 'Truly.' },
      ],
      messages: [{ role: 'user', content: [{ type: 'text', text: 'Hi' }] }],
      tools: [
        { name: 'f', description: 'does', inputSchema: parameters, strict: true },
        { name: 'g', inputSchema: { type: 'object', properties: {} } },
      ],
      toolChoice: { type: 'tool', name: 'f' },
      parallelToolCalls: false,
      maxOutputTokens: 9,
      temperature: 0,
      topP: 0.5,
      stop: ['END'],
      endUser: 'ada',
    });
  });

  it('joins the results of one round of calls in one message', () => {
    const call = (id: string) => ({ id, type: 'function', function: { name: 'f', arguments: '{"a":1}' } });
    const { messages } = decode({
      messages: [
        USER,
        { role: 'assistant', content: null, tool_calls: [call('a'), call('b')] },
        { role: 'tool', tool_call_id: 'a', content: '1' },
        { role: 'tool', tool_call_id: 'b', content: [{ type: 'text', text: '2' }] },
        { role: 'user', content: 'And?' },
      ],
    });
    const result = (toolCallId: string, text: string) => ({
      type: 'tool_result',
      toolCallId,
      content: [{ type: 'text', text }],
      isError: false,
    });
    expect(messages.slice(1)).toEqual([
      {
        role: 'assistant',
        content: ['a', 'b'].map((id) => ({ type: 'tool_call', id, name: 'f', argumentsJson: '{"a":1}' })),
      },
      { role: 'user', content: [result('a', '1'), result('b', '2')] },
      { role: 'user', content: [{ type: 'text', text: 'And?' }] },
    ]);
  });

  it('reads images from URLs and data URLs', () => {
    const image = (url: string) => ({ type: 'image_url', image_url: { url } });
    const content = [image('https://example.com/a.png'), image('data:image/PNG;base64,AAAA')];
    expect(decode({ messages: [{ role: 'user', content }] }).messages).toEqual([
      {
        role: 'user',
        content: [
          { type: 'image', source: { kind: 'url', url: 'https://example.com/a.png' } },
          { type: 'image', source: { kind: 'base64', mediaType: 'image/png', data: 'AAAA' } },
        ],
      },
    ]);
  });

  it('carries how the answer is wanted', () => {
    const schema = { type: 'object' };
    const carried = decode({
      response_format: { type: 'json_schema', json_schema: { name: 'n', strict: true, schema } },
      reasoning_effort: 'low',
      top_k: 5,
      frequency_penalty: -0.5,
      presence_penalty: 0.5,
      seed: 7,
      logprobs: true,
      top_logprobs: 2,
      verbosity: 'low',
      service_tier: 'default',
    });
    expect(carried).toMatchObject({
      outputFormat: { type: 'json_schema', name: 'n', strict: true, schema },
      reasoning: { effort: 'low' },
      topK: 5,
      frequencyPenalty: -0.5,
      presencePenalty: 0.5,
      seed: 7,
      logprobs: 2,
      verbosity: 'low',
      serviceTier: 'standard',
    });
    expect(decode({ response_format: { type: 'json_object' } }).outputFormat).toEqual({ type: 'json' });
    expect(decode({ reasoning: { max_tokens: 9, exclude: true } }).reasoning).toEqual({
      budgetTokens: 9,
      shown: false,
    });
  });

  it('leaves out hints that change no answer, and says so', () => {
    const inexpressible = new Inexpressible({ drop: false });
    const hinted = body({ store: true, prompt_cache_key: 'k', safety_identifier: 's' });
    openaiChat.decodeRequest({ body: hinted, stream: false, inexpressible });
    expect(inexpressible.dropped).toEqual(['store', 'prompt_cache_key', 'safety_identifier']);
  });

  it('reads files, audio and what is to be cached', () => {
    const content = [
      { type: 'file', file: { filename: 'a.pdf', file_data: 'data:application/pdf;base64,AAAA' } },
      { type: 'file', file: { file_data: 'data:text/plain;charset=utf-8;base64,aGk=' } },
      { type: 'input_audio', input_audio: { data: 'BBBB', format: 'wav' } },
      { type: 'text', text: 'x', cache_control: { type: 'ephemeral', ttl: '1h' } },
    ];
    expect(decode({ messages: [{ role: 'user', content }] }).messages[0]?.content).toEqual([
      {
        type: 'document',
        source: { kind: 'base64', mediaType: 'application/pdf', data: 'AAAA' },
        title: 'a.pdf',
      },
      { type: 'document', source: { kind: 'text', text: 'hi' } },
      { type: 'audio', format: 'wav', data: 'BBBB' },
      { type: 'text', text: 'x', cacheControl: { ttl: '1h' } },
    ]);
  });

  it('reads a choice among some tools as one among these alone', () => {
    const tools = ['a', 'b'].map((name) => ({ type: 'function', function: { name } }));
    const allowed_tools = { mode: 'auto', tools: [tools[1]] };
    expect(decode({ tools, tool_choice: { type: 'allowed_tools', allowed_tools } })).toMatchObject({
      tools: [{ name: 'b' }],
      toolChoice: { type: 'auto' },
    });
  });

  it.each([
    { n: 1 },
    { store: false },
    { metadata: { a: 'b' } },
    { service_tier: 'auto' },
    { logit_bias: {} },
    { logprobs: false },
    { response_format: { type: 'text' } },
    { modalities: ['text'] },
    { presence_penalty: 0 },
    { audio: null },
  ])('is not refused for %j, which changes nothing', (rest) => {
    expect(decode(rest).messages).toHaveLength(1);
  });

  it.each([
    [{ n: 2 }, 'n'],
    [{ audio: { voice: 'alloy', format: 'mp3' } }, 'audio'],
    [{ modalities: ['text', 'audio'] }, 'modalities'],
    [{ response_format: { type: 'json_schema', json_schema: {} } }, 'response_format.json_schema.schema'],
    [{ top_logprobs: 3 }, 'top_logprobs'],
    [{ logit_bias: { 5: 1 } }, 'logit_bias'],
    [{ functions: [] }, 'functions'],
    [{ safe_prompt: true }, 'safe_prompt'],
    [{ messages: [USER, { role: 'assistant', content: 'x', prefix: true }] }, 'messages.1.prefix'],
    [
      { tools: [{ type: 'function', function: { name: 'f', unheard_of: 1 } }] },
      'tools.0.function.unheard_of',
    ],
    [{ service_tier: 'scale' }, 'service_tier'],
    [{ reasoning_effort: 'utmost' }, 'reasoning_effort'],
    [{ messages: [{ ...USER, name: 'Ada' }] }, 'messages.0.name'],
    [{ temperature: 'hot' }, 'temperature'],
    [{ stop: [1] }, 'stop.0'],
    [{ tools: [{ type: 'custom', custom: { name: 'c' } }] }, 'tools.0'],
    [{ tools: [{ type: 'function', function: {} }] }, 'tools.0.function.name'],
    [{ tool_choice: 'sometimes' }, 'tool_choice'],
    [{ messages: [{ role: 'system', content: 'Alone' }] }, 'messages'],
    [{ messages: [{ role: 'function', content: 'x' }] }, 'messages.0.role'],
    [{ messages: [{ role: 'user', content: 7 }] }, 'messages.0.content'],
    [{ messages: [{ role: 'user', content: [{ type: 'video' }] }] }, 'messages.0.content.0.type'],
    [
      { messages: [{ role: 'user', content: [{ type: 'image_url', image_url: { url: 'file:///a' } }] }] },
      'messages.0.content.0.image_url.url',
    ],
    [{ messages: [{ role: 'tool', content: 'x' }] }, 'messages.0.tool_call_id'],
    [
      { messages: [{ role: 'assistant', tool_calls: [{ id: 'a', type: 'custom' }] }] },
      'messages.0.tool_calls.0.type',
    ],
  ])('refuses %j and names %s', (rest, param) => {
    expect(() => decode(rest)).toThrow(refusalOf(param));
  });
});
