import { describe, expect, it } from 'vitest';
import type { StreamPart } from '#contracts/inference';
import { NO_SEAL, wrapSeal } from '../seal-text.ts';
import { createAnthropicStreamEncoder } from './stream.ts';

const START: StreamPart = { type: 'start', id: 'chatcmpl-1', model: 'gpt-4o-mini' };
const usageOf = (input: number, output: number): StreamPart => ({
  type: 'usage',
  usage: { source: 'provider', tokens: { input, output } },
});

const encodeEach = (parts: StreamPart[]): string[] => {
  const encoder = createAnthropicStreamEncoder();
  return parts.map((part) => encoder.encode(part));
};

type Written = { event: string; data: Record<string, unknown> };

const encode = (parts: StreamPart[]): Written[] =>
  encodeEach(parts)
    .join('')
    .split('\n\n')
    .filter((text) => text !== '')
    .map((text) => {
      const [, event = '', data = ''] = /^event: (\w+)\ndata: (.*)$/.exec(text) ?? [];
      return { event, data: JSON.parse(data) };
    });

describe('streamed messages', () => {
  it('write block after block, and the end at the end', () => {
    const written = encode([
      START,
      { type: 'text_delta', text: 'Look' },
      { type: 'text_delta', text: '' },
      { type: 'text_delta', text: 'ing.' },
      { type: 'tool_call_start', index: 0, id: 'call_1', name: 'look' },
      { type: 'tool_call_delta', index: 0, argumentsDelta: '{"a":' },
      { type: 'tool_call_delta', index: 0, argumentsDelta: '1}' },
      { type: 'tool_call_start', index: 1, id: 'call_2', name: 'now' },
      { type: 'tool_call_delta', index: 1, argumentsDelta: '{}' },
      { type: 'finish', reason: 'tool_calls' },
      usageOf(7, 9),
      { type: 'end' },
    ]);
    expect(written.map(({ event }) => event)).toEqual([
      'message_start',
      'content_block_start',
      'content_block_delta',
      'content_block_delta',
      'content_block_stop',
      'content_block_start',
      'content_block_delta',
      'content_block_delta',
      'content_block_stop',
      'content_block_start',
      'content_block_delta',
      'content_block_stop',
      'message_delta',
      'message_stop',
    ]);
    for (const { event, data } of written) expect(data['type']).toBe(event);
    expect(written.map(({ data }) => data['index']).filter((index) => index !== undefined)).toEqual([
      0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2,
    ]);
    expect(written[0]?.data).toMatchObject({
      message: { id: 'chatcmpl-1', type: 'message', role: 'assistant', model: 'gpt-4o-mini', content: [] },
    });
    expect(written[5]?.data).toMatchObject({
      content_block: { type: 'tool_use', id: 'call_1', name: 'look', input: {} },
    });
    expect(written[6]?.data).toMatchObject({ delta: { type: 'input_json_delta', partial_json: '{"a":' } });
    expect(written.at(-2)?.data).toMatchObject({
      delta: { stop_reason: 'tool_use', stop_sequence: null },
      usage: { input_tokens: 7, output_tokens: 9 },
    });
  });

  it('show what the model thought in blocks of its own, each with a seal', () => {
    const seal = { origin: 'anthropic', kind: 'signature', value: 'EqQB' } as const;
    const callSeal = { origin: 'google', kind: 'signature', value: 'sig' } as const;
    const written = encode([
      START,
      { type: 'reasoning_delta', text: 'h' },
      { type: 'reasoning_delta', text: 'm' },
      { type: 'reasoning_seal', seal },
      { type: 'reasoning_delta', text: 'so' },
      { type: 'text_delta', text: 'Yes.' },
      { type: 'citation', citation: { url: 'https://a.b' } },
      { type: 'tool_call_start', index: 0, id: 'a', name: 'f', seal: callSeal },
      { type: 'finish', reason: 'tool_calls' },
      { type: 'end' },
    ]);
    const blocks = written
      .filter(({ event }) => event === 'content_block_start')
      .map(({ data }) => data['content_block']);
    expect(blocks).toEqual([
      { type: 'thinking', thinking: '', signature: '' },
      { type: 'thinking', thinking: '', signature: '' },
      { type: 'text', text: '' },
      { type: 'redacted_thinking', data: wrapSeal(callSeal, 'a') },
      { type: 'tool_use', id: 'a', name: 'f', input: {} },
    ]);
    const deltas = written
      .filter(({ event }) => event === 'content_block_delta')
      .map(({ data }) => [data['index'], data['delta']]);
    expect(deltas).toEqual([
      [0, { type: 'thinking_delta', thinking: 'h' }],
      [0, { type: 'thinking_delta', thinking: 'm' }],
      [0, { type: 'signature_delta', signature: 'EqQB' }],
      [1, { type: 'thinking_delta', thinking: 'so' }],
      [1, { type: 'signature_delta', signature: NO_SEAL }],
      [2, { type: 'text_delta', text: 'Yes.' }],
      [2, { type: 'citations_delta', citation: expect.objectContaining({ url: 'https://a.b' }) }],
    ]);
    const stops = written.filter(({ event }) => event === 'content_block_stop');
    expect(stops.map(({ data }) => data['index'])).toEqual([0, 1, 2, 3, 4]);
  });

  it('begin with the usage that is known by then, else with zeros', () => {
    const known = encode([START, usageOf(7, 1), { type: 'text_delta', text: 'x' }]);
    expect(known[0]?.data).toMatchObject({ message: { usage: { input_tokens: 7, output_tokens: 1 } } });
    const unknown = encode([START, { type: 'text_delta', text: 'x' }]);
    expect(unknown[0]?.data).toMatchObject({ message: { usage: { input_tokens: 0, output_tokens: 0 } } });
  });

  it('hold back nothing of the content', () => {
    const texts = encodeEach([
      START,
      { type: 'text_delta', text: 'one' },
      { type: 'text_delta', text: 'two' },
    ]);
    expect(texts[1]).toContain('one');
    expect(texts[2]).toContain('two');
  });

  it('name the stop sequence, and go on with a text after a call', () => {
    const written = encode([
      START,
      { type: 'tool_call_start', index: 0, id: 'a', name: 'b' },
      { type: 'text_delta', text: 'x' },
      { type: 'finish', reason: 'stop_sequence', stopSequence: 'END' },
      { type: 'end' },
    ]);
    expect(written.map(({ data }) => data['index'])).toEqual([
      undefined,
      0,
      0,
      1,
      1,
      1,
      undefined,
      undefined,
    ]);
    expect(written.at(-2)?.data).toMatchObject({
      delta: { stop_reason: 'stop_sequence', stop_sequence: 'END' },
    });
  });

  it('are whole without any content', () => {
    const events = encode([START, { type: 'finish', reason: 'stop' }, { type: 'end' }]);
    expect(events.map(({ event }) => event)).toEqual(['message_start', 'message_delta', 'message_stop']);
  });

  it('never write to a block that has ended', () => {
    expect(() =>
      encode([
        START,
        { type: 'tool_call_start', index: 0, id: 'a', name: 'b' },
        { type: 'tool_call_start', index: 1, id: 'c', name: 'd' },
        { type: 'tool_call_delta', index: 0, argumentsDelta: '{}' },
      ]),
    ).toThrow(expect.objectContaining({ code: 'malformed_answer' }));
  });
});
