import { describe, expect, it } from 'vitest';
import { FloError } from '#domain/errors';
import { createAnthropicStreamDecoder } from './stream.ts';

const eventOf = (value: unknown) => {
  const data = typeof value === 'string' ? value : JSON.stringify(value);
  return { data };
};

const START = {
  type: 'message_start',
  message: { id: 'msg_1', model: 'claude-x', content: [], usage: { input_tokens: 7, output_tokens: 1 } },
};
const block = (index: number, contentBlock: object) => ({
  type: 'content_block_start',
  index,
  content_block: contentBlock,
});
const delta = (index: number, change: object) => ({ type: 'content_block_delta', index, delta: change });
const stop = (index: number) => ({ type: 'content_block_stop', index });
const json = (index: number, text: string) => delta(index, { type: 'input_json_delta', partial_json: text });
const ending = (usage: unknown, stopReason = 'end_turn', stopSequence: string | null = null) => ({
  type: 'message_delta',
  delta: { stop_reason: stopReason, stop_sequence: stopSequence },
  usage,
});
const STOP = { type: 'message_stop' };

const decodeAll = (events: unknown[]) => {
  const decoder = createAnthropicStreamDecoder();
  const decoded = events.map((event) => decoder.decode(eventOf(event)));
  return {
    parts: decoded.flatMap(({ parts }) => parts),
    content: decoded.map(({ content }) => content),
    hidden: decoded.some(({ hidden }) => hidden),
    facts: decoder.facts(),
  };
};

describe('streamed messages', () => {
  it('become text, with usage that is partial until the final figure', () => {
    const { parts, content, hidden, facts } = decodeAll([
      START,
      block(0, { type: 'text', text: '' }),
      { type: 'ping' },
      delta(0, { type: 'text_delta', text: 'Hello' }),
      delta(0, { type: 'text_delta', text: '' }),
      stop(0),
      ending({ input_tokens: 9, output_tokens: 4 }),
      STOP,
    ]);
    expect(parts).toMatchObject([
      { type: 'start', id: 'msg_1', model: 'claude-x' },
      { type: 'usage', usage: { source: 'provider_partial', tokens: { input: 7, output: 1 } } },
      { type: 'text_delta', text: 'Hello' },
      { type: 'finish', reason: 'stop' },
      { type: 'usage', usage: { source: 'provider', tokens: { input: 9, output: 4 } } },
      { type: 'end' },
    ]);
    expect(content).toEqual([false, false, false, true, false, false, false, false]);
    expect(hidden).toBe(false);
    expect(facts).toMatchObject({ id: 'msg_1', model: 'claude-x', finishReason: 'stop' });
    expect(facts.usage).toMatchObject({ source: 'provider', tokens: { input: 9, output: 4 } });
  });

  it('tell thoughts, their seals, and where statements come from', () => {
    const { parts } = decodeAll([
      START,
      block(0, { type: 'thinking', thinking: '', signature: '' }),
      delta(0, { type: 'thinking_delta', thinking: 'Hm.' }),
      delta(0, { type: 'signature_delta', signature: 'sig' }),
      stop(0),
      block(1, { type: 'redacted_thinking', data: 'data' }),
      stop(1),
      block(2, { type: 'text', text: '' }),
      delta(2, {
        type: 'citations_delta',
        citation: { type: 'char_location', cited_text: 'It was so.', document_title: 'facts.txt' },
      }),
      delta(2, { type: 'text_delta', text: 'So it was.' }),
    ]);
    expect(parts.slice(2)).toEqual([
      { type: 'reasoning_delta', text: 'Hm.' },
      { type: 'reasoning_seal', seal: { origin: 'anthropic', kind: 'signature', value: 'sig' } },
      { type: 'reasoning_seal', seal: { origin: 'anthropic', kind: 'redacted', value: 'data' } },
      { type: 'citation', citation: { title: 'facts.txt', citedText: 'It was so.' } },
      { type: 'text_delta', text: 'So it was.' },
    ]);
  });

  it('count tool calls apart from other blocks, and give a call without arguments an empty object', () => {
    const { parts } = decodeAll([
      START,
      block(0, { type: 'thinking', thinking: '', signature: '' }),
      stop(0),
      block(1, { type: 'tool_use', id: 'toolu_1', name: 'look', input: {} }),
      json(1, ''),
      json(1, '{"a"'),
      json(1, ':1}'),
      stop(1),
      block(2, { type: 'tool_use', id: 'toolu_2', name: 'now', input: {} }),
      json(2, ''),
      stop(2),
    ]);
    expect(parts.slice(2)).toEqual([
      { type: 'tool_call_start', index: 0, id: 'toolu_1', name: 'look' },
      { type: 'tool_call_delta', index: 0, argumentsDelta: '{"a"' },
      { type: 'tool_call_delta', index: 0, argumentsDelta: ':1}' },
      { type: 'tool_call_start', index: 1, id: 'toolu_2', name: 'now' },
      { type: 'tool_call_delta', index: 1, argumentsDelta: '{}' },
    ]);
  });

  it.each([
    ['text', delta(0, { type: 'text_delta', text: 'x' }), true],
    ['thinking', delta(0, { type: 'thinking_delta', thinking: 'x' }), true],
    ['no thinking', delta(0, { type: 'thinking_delta', thinking: '' }), false],
    ['a signature', delta(0, { type: 'signature_delta', signature: 'x' }), false],
    ['tool input', json(0, '{'), true],
    ['a tool', block(0, { type: 'tool_use', id: 'a', name: 'b', input: {} }), true],
    ["the provider's own tool", block(0, { type: 'server_tool_use', id: 'a', name: 'b' }), true],
    ['the start of a text', block(0, { type: 'text', text: '' }), false],
    ['the start of a text with words', block(0, { type: 'text', text: 'x' }), true],
    ['a ping', { type: 'ping' }, false],
    ['something new', { type: 'unheard_of', x: 1 }, false],
    ['a comment', '', false],
  ])('know whether %s is for the reader', (_, event, content) => {
    expect(decodeAll([event]).content).toEqual([content]);
  });

  it('keep what message_start said where message_delta is silent', () => {
    const usage = {
      input_tokens: 3,
      cache_creation_input_tokens: 10,
      cache_creation: { ephemeral_5m_input_tokens: 4, ephemeral_1h_input_tokens: 6 },
      output_tokens: 1,
      service_tier: 'standard',
    };
    const start = { ...START, message: { ...START.message, usage } };
    const later = { cache_creation_input_tokens: 10, output_tokens: 8 };
    expect(decodeAll([start, start, ending(later)]).facts.usage).toEqual({
      source: 'provider',
      tokens: { input: 3, cache_write_5m: 4, cache_write_1h: 6, output: 8 },
      serviceTier: 'standard',
      raw: { ...usage, ...later },
    });
  });

  it('start once, and name the stop sequence', () => {
    const { parts } = decodeAll([START, START, ending(null, 'stop_sequence', 'END'), STOP]);
    expect(parts.filter(({ type }) => type === 'start')).toHaveLength(1);
    expect(parts.at(-2)).toEqual({ type: 'finish', reason: 'stop_sequence', stopSequence: 'END' });
  });

  it('leave usage partial or unknown where the final figure never came', () => {
    expect(decodeAll([START]).facts.usage.source).toBe('provider_partial');
    const silent = { type: 'message_start', message: { id: 'msg_1', model: 'x' } };
    expect(decodeAll([silent, ending(undefined), STOP]).facts.usage).toEqual({ source: 'none', tokens: {} });
  });

  it.each([
    ['overloaded_error', 'overloaded'],
    ['rate_limit_error', 'rate_limit_requests'],
    ['api_error', 'server'],
  ])('fail by an error event of type %s, with the usage up to there', (type, code) => {
    const decoder = createAnthropicStreamDecoder();
    decoder.decode(eventOf(START));
    const event = eventOf({ type: 'error', error: { type, message: 'Sorry' } });
    expect(() => decoder.decode(event)).toThrow(expect.objectContaining({ code }));
    expect(decoder.facts().usage).toMatchObject({ source: 'provider_partial', tokens: { input: 7 } });
  });

  it('end where tool calls are opened without end', () => {
    const opened = Array.from({ length: 1_001 }, (_, index) =>
      block(index, { type: 'tool_use', id: 'a', name: 'b' }),
    );
    expect(() => decodeAll(opened)).toThrow(expect.objectContaining({ code: 'malformed_answer' }));
  });

  it.each(['{"type":"message_delta","delta":{', '[]', 'hello', '[DONE]'])(
    'cannot be read from %j',
    (data) => {
      expect(() => decodeAll([data])).toThrow(FloError);
    },
  );
});
