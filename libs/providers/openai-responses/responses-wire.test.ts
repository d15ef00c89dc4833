import { describe, expect, it } from 'vitest';
import type { ChatRequest } from '#contracts/inference';
import { Inexpressible } from '#domain/inexpressible';
import { createResponsesWire, OPENAI_RESPONSES } from './responses-wire.ts';

const responsesWire = createResponsesWire(OPENAI_RESPONSES);

const REQUEST: ChatRequest = {
  stream: false,
  system: [{ type: 'text', text: 'Be brief.' }],
  messages: [{ role: 'user', content: [{ type: 'text', text: 'Hi' }] }],
  tools: [],
  stop: [],
};

const ask = (changes: Partial<ChatRequest>, inexpressible = new Inexpressible({ drop: false })) => {
  const call = responsesWire.encodeRequest({
    request: { ...REQUEST, ...changes },
    model: 'm',
    inexpressible,
  });
  expect(call.path).toBe('/responses');
  return JSON.parse(Buffer.from(call.body).toString('utf8'));
};

describe('a request to the Responses API', () => {
  it('asks for what there is to ask, and for nothing to be kept', () => {
    expect(
      ask({
        stream: true,
        tools: [{ name: 'f', inputSchema: { type: 'object' }, cacheControl: { ttl: '5m' } }],
        toolChoice: { type: 'tool', name: 'f' },
        parallelToolCalls: false,
        outputFormat: { type: 'json_schema', schema: { type: 'object' }, strict: true },
        reasoning: { effort: 'low', shown: true },
        maxOutputTokens: 9,
        logprobs: 2,
        verbosity: 'low',
        serviceTier: 'standard',
        endUser: 'u',
      }),
    ).toEqual({
      model: 'm',
      input: [
        { type: 'message', role: 'developer', content: [{ type: 'input_text', text: 'Be brief.' }] },
        { type: 'message', role: 'user', content: [{ type: 'input_text', text: 'Hi' }] },
      ],
      tools: [{ type: 'function', name: 'f', parameters: { type: 'object' }, strict: false }],
      tool_choice: { type: 'function', name: 'f' },
      parallel_tool_calls: false,
      max_output_tokens: 9,
      top_logprobs: 2,
      include: ['reasoning.encrypted_content', 'message.output_text.logprobs'],
      text: {
        format: { type: 'json_schema', name: 'answer', schema: { type: 'object' }, strict: true },
        verbosity: 'low',
      },
      reasoning: { effort: 'low', summary: 'auto' },
      service_tier: 'default',
      user: 'u',
      store: false,
      stream: true,
    });
  });

  it('gives a model of OpenAI back what it thought, and no other’s thoughts', () => {
    const own = { origin: 'openai', kind: 'encrypted', value: 'gAAA', id: 'rs_1' } as const;
    const foreign = { origin: 'anthropic', kind: 'signature', value: 'EqQB' } as const;
    const { input } = ask({
      messages: [
        ...REQUEST.messages,
        {
          role: 'assistant',
          content: [
            { type: 'reasoning', text: 'hm', seal: own },
            { type: 'reasoning', text: 'so', seal: foreign },
            { type: 'text', text: 'Looking.' },
            { type: 'tool_call', id: 'a', name: 'f', argumentsJson: '{}' },
          ],
        },
        {
          role: 'user',
          content: [
            { type: 'tool_result', toolCallId: 'a', content: [{ type: 'text', text: 'fog' }], isError: true },
          ],
        },
      ],
    });
    expect(input.slice(2)).toEqual([
      {
        type: 'reasoning',
        id: 'rs_1',
        summary: [{ type: 'summary_text', text: 'hm' }],
        encrypted_content: 'gAAA',
      },
      {
        type: 'message',
        role: 'assistant',
        content: [{ type: 'output_text', text: 'Looking.', annotations: [] }],
      },
      { type: 'function_call', call_id: 'a', name: 'f', arguments: '{}' },
      { type: 'function_call_output', call_id: 'a', output: 'Error: fog' },
    ]);
  });

  it.each([
    ['stop', { stop: ['END'] }],
    ['topK', { topK: 1 }],
    ['seed', { seed: 1 }],
    ['presencePenalty', { presencePenalty: 1 }],
    ['reasoning.budgetTokens', { reasoning: { budgetTokens: 5 } }],
    ['reasoning.effort', { reasoning: { effort: 'max' as const } }],
  ])('names %s, for which it has no word', (field, changes) => {
    expect(() => ask(changes)).toThrow(expect.objectContaining({ code: 'invalid_request', param: field }));
  });

  it('passes a request through with another model alone', () => {
    const body = Buffer.from('{"model": "openai/gpt-x", "input":"hi", "store": true,"unheard_of":1.0}');
    const { body: sent, usageInjected } = responsesWire.encodePassThrough({
      body,
      model: 'gpt-x',
      stream: false,
      forwardedHeaders: {},
    });
    expect(Buffer.from(sent).toString('utf8')).toBe(
      '{"model": "gpt-x", "input":"hi", "store": true,"unheard_of":1.0}',
    );
    expect(usageInjected).toBe(false);
  });
});

const RESPONSE = {
  id: 'resp_1',
  object: 'response',
  status: 'completed',
  model: 'gpt-x',
  error: null,
  output: [
    { type: 'reasoning', id: 'rs_1', summary: [{ text: 'one' }, { text: 'two' }], encrypted_content: 'gAAA' },
    { type: 'web_search_call', id: 'ws_1', status: 'completed' },
    {
      type: 'message',
      content: [
        {
          type: 'output_text',
          text: 'Yes.',
          annotations: [
            { type: 'url_citation', url: 'https://a.b', title: 'A', start_index: 0, end_index: 3 },
          ],
          logprobs: [{ token: 'Yes.', logprob: -1, top_logprobs: [] }],
        },
      ],
    },
    { type: 'function_call', call_id: 'a', name: 'f', arguments: '{"x":1}' },
  ],
  service_tier: 'default',
  usage: {
    input_tokens: 10,
    input_tokens_details: { cached_tokens: 4 },
    output_tokens: 7,
    output_tokens_details: { reasoning_tokens: 5 },
    total_tokens: 17,
  },
};

const bytesOf = (value: object): Uint8Array => Buffer.from(JSON.stringify(value));

describe('an answer of the Responses API', () => {
  it('has what was thought, said and called, and each token in one class', () => {
    expect(responsesWire.decodeResponse(bytesOf(RESPONSE))).toMatchObject({
      id: 'resp_1',
      model: 'gpt-x',
      content: [
        { type: 'reasoning', text: 'one\n\ntwo', seal: { origin: 'openai', value: 'gAAA', id: 'rs_1' } },
        { type: 'text', text: 'Yes.', citations: [{ url: 'https://a.b', title: 'A', start: 0, end: 3 }] },
        { type: 'tool_call', id: 'a', name: 'f', argumentsJson: '{"x":1}' },
      ],
      finishReason: 'tool_calls',
      logprobs: [{ token: 'Yes.' }],
      usage: {
        source: 'provider',
        tokens: { input: 6, cache_read: 4, output: 7 },
        reasoning: 5,
        serviceTier: 'default',
        serverToolCalls: { web_search: 1 },
      },
    });
  });

  it('that failed is the error it tells of', () => {
    const failed = {
      ...RESPONSE,
      status: 'failed',
      error: { code: 'rate_limit_exceeded', message: 'Slow down.' },
    };
    expect(() => responsesWire.decodeResponse(bytesOf(failed))).toThrow(/Slow down/);
    expect(() => responsesWire.readAnswer(bytesOf({ id: 'x' }))).toThrow(
      expect.objectContaining({ code: 'malformed_answer' }),
    );
  });
});

const decode = (events: object[]) => {
  const decoder = responsesWire.createStreamDecoder({ usageInjected: false });
  const decoded = events.map((event) => {
    const data = JSON.stringify(event);
    return decoder.decode({ data });
  });
  return { decoded, parts: decoded.flatMap(({ parts }) => parts), facts: decoder.facts() };
};

const CREATED = { type: 'response.created', response: { id: 'resp_1', model: 'gpt-x' } };

describe('a stream of the Responses API', () => {
  it('is read event by event', () => {
    const call = { type: 'function_call', call_id: 'a', name: 'f', arguments: '' };
    const { decoded, parts, facts } = decode([
      CREATED,
      { type: 'response.in_progress', response: {} },
      { type: 'response.output_item.added', output_index: 0, item: { type: 'reasoning' } },
      { type: 'response.reasoning_summary_part.added', summary_index: 0 },
      { type: 'response.reasoning_summary_text.delta', delta: 'hm' },
      { type: 'response.reasoning_summary_part.added', summary_index: 1 },
      {
        type: 'response.output_item.done',
        output_index: 0,
        item: { type: 'reasoning', encrypted_content: 'g' },
      },
      { type: 'response.output_text.delta', delta: 'Hi', logprobs: [{ token: 'Hi', logprob: -1 }] },
      { type: 'response.output_item.added', output_index: 2, item: call },
      { type: 'response.function_call_arguments.delta', output_index: 2, delta: '{"x":' },
      { type: 'response.function_call_arguments.delta', output_index: 2, delta: '1}' },
      { type: 'response.output_item.done', output_index: 2, item: { ...call, arguments: '{"x":1}' } },
      {
        type: 'response.output_item.done',
        output_index: 3,
        item: { ...call, call_id: 'b', arguments: '{}' },
      },
      { type: 'response.completed', response: { ...RESPONSE, output: [] } },
    ]);
    expect(parts).toEqual([
      { type: 'start', id: 'resp_1', model: 'gpt-x' },
      { type: 'reasoning_delta', text: 'hm' },
      { type: 'reasoning_delta', text: '\n\n' },
      { type: 'reasoning_seal', seal: { origin: 'openai', kind: 'encrypted', value: 'g' } },
      { type: 'logprobs', tokens: [{ token: 'Hi', logprob: -1, alternatives: [] }] },
      { type: 'text_delta', text: 'Hi' },
      { type: 'tool_call_start', index: 0, id: 'a', name: 'f' },
      { type: 'tool_call_delta', index: 0, argumentsDelta: '{"x":' },
      { type: 'tool_call_delta', index: 0, argumentsDelta: '1}' },
      { type: 'tool_call_start', index: 1, id: 'b', name: 'f' },
      { type: 'tool_call_delta', index: 1, argumentsDelta: '{}' },
      { type: 'finish', reason: 'tool_calls' },
      { type: 'usage', usage: expect.objectContaining({ source: 'provider' }) },
      { type: 'end' },
    ]);
    expect(decoded.slice(0, 4).some(({ content }) => content)).toBe(false);
    expect(decoded[4]?.content).toBe(true);
    expect(facts).toMatchObject({ id: 'resp_1', finishReason: 'tool_calls' });
  });

  it.each([
    [
      {
        type: 'error',
        error: { type: 'service_unavailable_error', code: 'server_is_overloaded', message: 'Busy.' },
      },
    ],
    [{ type: 'error', code: 'server_is_overloaded', message: 'Busy.', param: null }],
    [
      {
        type: 'response.failed',
        response: { status: 'failed', error: { code: 'server_is_overloaded', message: 'Busy.' } },
      },
    ],
  ])('ends with the error it tells of: %j', (event) => {
    expect(() => decode([CREATED, event])).toThrow(expect.objectContaining({ code: 'overloaded' }));
  });

  it('that breaks off has no end and no usage', () => {
    const { parts, facts } = decode([CREATED, { type: 'response.output_text.delta', delta: 'x' }]);
    expect(parts.some(({ type }) => type === 'end')).toBe(false);
    expect(facts.usage.source).toBe('none');
  });
});
