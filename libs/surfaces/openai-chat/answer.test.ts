import { describe, expect, it } from 'vitest';
import type { ChatResponse, StreamPart } from '#contracts/inference';
import type { Usage } from '#contracts/usage';
import { FloError } from '#domain/errors';
import { Inexpressible } from '#domain/inexpressible';
import type { EncodeContext } from '../surface.ts';
import { openaiChat } from './openai-chat.ts';

const CONTEXT: EncodeContext = { createdAtMs: 1_700_000_000_999, streamFraming: 'sse' };
const USAGE: Usage = {
  source: 'provider',
  tokens: { input: 5, cache_read: 3, cache_write_5m: 2, output: 7 },
  reasoning: 4,
};
const ENCODED_USAGE = {
  prompt_tokens: 10,
  completion_tokens: 7,
  total_tokens: 17,
  prompt_tokens_details: { cached_tokens: 3 },
  completion_tokens_details: { reasoning_tokens: 4 },
};

describe('an answer as a chat completion', () => {
  const response: ChatResponse = {
    id: 'msg_1',
    model: 'claude-x',
    content: [
      { type: 'text', text: 'Hello' },
      { type: 'tool_call', id: 'a', name: 'f', argumentsJson: '{"x": 1.0}' },
    ],
    finishReason: 'tool_calls',
    usage: USAGE,
  };

  it('has the text, the calls and totals of the usage', () => {
    expect(openaiChat.encodeResponse(response, CONTEXT)).toMatchObject({
      id: 'msg_1',
      object: 'chat.completion',
      created: 1_700_000_000,
      model: 'claude-x',
      choices: [
        {
          index: 0,
          message: {
            role: 'assistant',
            content: 'Hello',
            refusal: null,
            tool_calls: [{ id: 'a', type: 'function', function: { name: 'f', arguments: '{"x": 1.0}' } }],
          },
          finish_reason: 'tool_calls',
        },
      ],
      usage: ENCODED_USAGE,
    });
  });

  it('has no text where there are calls alone, and no usage that nobody knows', () => {
    const encoded = openaiChat.encodeResponse(
      { ...response, content: response.content.slice(1), usage: { source: 'none', tokens: {} } },
      CONTEXT,
    );
    expect(encoded).toMatchObject({ choices: [{ message: { content: null } }] });
    expect(encoded).not.toHaveProperty('usage');
  });

  it('ends a stop sequence as a stop', () => {
    const encoded = openaiChat.encodeResponse({ ...response, finishReason: 'stop_sequence' }, CONTEXT);
    expect(encoded).toMatchObject({ choices: [{ finish_reason: 'stop' }] });
  });
});

describe('reasoning, citations and probabilities', () => {
  const seal = { origin: 'anthropic', kind: 'signature', value: 'EqQB' } as const;
  const callSeal = { origin: 'google', kind: 'signature', value: 'sig' } as const;
  const response: ChatResponse = {
    id: 'a',
    model: 'm',
    content: [
      { type: 'reasoning', text: 'hm', seal },
      { type: 'text', text: 'One. ' },
      { type: 'text', text: 'Two.', citations: [{ url: 'https://a.b', title: 'A', start: 0, end: 4 }] },
      { type: 'tool_call', id: 'a', name: 'f', argumentsJson: '{}', seal: callSeal },
    ],
    finishReason: 'tool_calls',
    logprobs: [{ token: 'é', logprob: -1, alternatives: [{ token: 'e', logprob: -2 }] }],
    usage: { ...USAGE, serviceTier: 'standard' },
  };
  /** What a client sends back in its next turn. */
  const readBack = (message: object) =>
    openaiChat.decodeRequest({
      body: { model: 'm', messages: [{ role: 'user', content: 'x' }, message] },
      stream: false,
      inexpressible: new Inexpressible({ drop: false }),
    }).messages[1]?.content;

  it('are told where clients look for them, and come back whole', () => {
    const encoded = openaiChat.encodeResponse(response, CONTEXT) as { choices: [{ message: object }] };
    expect(encoded).toMatchObject({
      service_tier: 'default',
      choices: [
        {
          message: {
            content: 'One. Two.',
            reasoning_content: 'hm',
            annotations: [
              {
                type: 'url_citation',
                url_citation: { url: 'https://a.b', title: 'A', start_index: 5, end_index: 9 },
              },
            ],
          },
          logprobs: {
            content: [
              {
                token: 'é',
                logprob: -1,
                bytes: [195, 169],
                top_logprobs: [{ token: 'e', logprob: -2, bytes: [101] }],
              },
            ],
          },
        },
      ],
    });
    expect(readBack(encoded.choices[0].message)).toEqual([
      { type: 'reasoning', text: 'hm', seal },
      { type: 'text', text: 'One. Two.' },
      { type: 'tool_call', id: 'a', name: 'f', argumentsJson: '{}', seal: callSeal },
    ]);
  });

  it('come back whole from a stream, too', () => {
    const encoder = openaiChat.createStreamEncoder({}, CONTEXT);
    const parts: StreamPart[] = [
      { type: 'start', id: 'a', model: 'm' },
      { type: 'reasoning_delta', text: 'h' },
      { type: 'reasoning_delta', text: 'm' },
      { type: 'reasoning_seal', seal },
      { type: 'logprobs', tokens: response.logprobs ?? [] },
      { type: 'text_delta', text: 'One.' },
      { type: 'tool_call_start', index: 0, id: 'a', name: 'f', seal: callSeal },
    ];
    const deltas = parts.flatMap((part) => {
      const text = encoder.encode(part);
      return text === '' ? [] : [JSON.parse(text.slice('data: '.length)).choices[0]];
    });
    const fieldOf = (name: string) => deltas.flatMap(({ delta }) => delta[name] ?? []);
    expect(fieldOf('reasoning_content')).toEqual(['h', 'm']);
    expect(deltas.find(({ delta }) => delta.content === 'One.')).toMatchObject({
      logprobs: { content: [{ token: 'é' }] },
    });
    const message = {
      role: 'assistant',
      content: 'One.',
      reasoning_content: fieldOf('reasoning_content').join(''),
      reasoning_details: fieldOf('reasoning_details'),
      tool_calls: fieldOf('tool_calls'),
    };
    expect(readBack(message)).toEqual([
      { type: 'reasoning', text: 'hm', seal },
      { type: 'text', text: 'One.' },
      { type: 'tool_call', id: 'a', name: 'f', argumentsJson: '', seal: callSeal },
    ]);
  });
});

describe('an answer as a stream of chunks', () => {
  const PARTS: StreamPart[] = [
    { type: 'start', id: 'msg_1', model: 'claude-x' },
    { type: 'text_delta', text: 'Hello' },
    { type: 'tool_call_start', index: 0, id: 'a', name: 'f' },
    { type: 'tool_call_delta', index: 0, argumentsDelta: '{}' },
    { type: 'usage', usage: { source: 'provider_partial', tokens: { input: 1 } } },
    { type: 'finish', reason: 'tool_calls' },
    { type: 'usage', usage: USAGE },
    { type: 'end' },
  ];
  const encode = (body: object): unknown[] => {
    const encoder = openaiChat.createStreamEncoder(body, CONTEXT);
    const text = PARTS.map((part) => encoder.encode(part)).join('');
    return text
      .split('\n\n')
      .slice(0, -1)
      .map((event) => (event === 'data: [DONE]' ? 'done' : JSON.parse(event.slice('data: '.length))));
  };

  it('begins with the role and ends with the reason and the mark', () => {
    const chunks = encode({});
    expect(chunks).toMatchObject([
      {
        id: 'msg_1',
        object: 'chat.completion.chunk',
        created: 1_700_000_000,
        model: 'claude-x',
        choices: [{ index: 0, delta: { role: 'assistant', content: '' }, finish_reason: null }],
      },
      { choices: [{ delta: { content: 'Hello' } }] },
      {
        choices: [
          {
            delta: {
              tool_calls: [{ index: 0, id: 'a', type: 'function', function: { name: 'f', arguments: '' } }],
            },
          },
        ],
      },
      { choices: [{ delta: { tool_calls: [{ index: 0, function: { arguments: '{}' } }] } }] },
      { choices: [{ delta: {}, finish_reason: 'tool_calls' }] },
      'done',
    ]);
    expect(JSON.stringify(chunks)).not.toContain('usage');
  });

  it('tells the last usage before the mark where it is asked for', () => {
    const chunks = encode({ stream_options: { include_usage: true } });
    expect(chunks.slice(-2)).toMatchObject([{ choices: [], usage: ENCODED_USAGE }, 'done']);
    expect(chunks.slice(0, -2).every((chunk) => (chunk as { usage: unknown }).usage === null)).toBe(true);
  });
});

describe('an error in the dialect', () => {
  it.each([
    ['invalid_request', 400, 'invalid_request_error', 'invalid_request'],
    ['invalid_key', 401, 'authentication_error', 'invalid_api_key'],
    ['forbidden', 403, 'permission_error', 'forbidden'],
    ['rate_limit_tokens', 429, 'rate_limit_error', 'rate_limit_exceeded'],
    ['context_length', 400, 'invalid_request_error', 'context_length_exceeded'],
    ['authentication', 502, 'server_error', 'authentication'],
    ['overloaded', 503, 'server_error', 'overloaded'],
  ] as const)('gives %s with %i as %s, called %s', (code, status, type, dialectCode) => {
    const error = new FloError(code, 'What to do.', { param: 'model' });
    expect(openaiChat.encodeError(error, 'req_1')).toMatchObject({
      status,
      headers: { 'x-request-id': 'req_1' },
      body: { error: { message: 'What to do.', type, param: 'model', code: dialectCode } },
    });
  });

  it('asks to wait whole seconds, rounded up', () => {
    const error = new FloError('overloaded', 'Busy.', { retryAfterMs: 1_001 });
    expect(openaiChat.encodeError(error, 'req_1').headers).toMatchObject({ 'retry-after': '2' });
    expect(openaiChat.encodeError(new FloError('server', 'No.'), 'req_1').headers).not.toHaveProperty(
      'retry-after',
    );
  });

  it('asks not to try again where a call may have happened', () => {
    const headersOf = (code: 'outcome_unknown' | 'server') =>
      openaiChat.encodeError(new FloError(code, 'Lost.'), 'req_1').headers;
    expect(headersOf('outcome_unknown')).toMatchObject({ 'x-should-retry': 'false' });
    expect(headersOf('server')).not.toHaveProperty('x-should-retry');
  });

  it('ends a stream as one event', () => {
    const text = openaiChat.encodeStreamError(new FloError('cut_stream', 'It broke off.'), 'req_1', {
      framing: 'sse',
      tail: '',
    });
    expect(text.startsWith('data: ') && text.endsWith('\n\n')).toBe(true);
    expect(JSON.parse(text.slice('data: '.length))).toMatchObject({
      error: { message: 'It broke off.', type: 'server_error', param: null, code: 'cut_stream' },
    });
  });
});
