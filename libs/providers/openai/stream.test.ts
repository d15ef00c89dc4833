import { describe, expect, it } from 'vitest';
import { FloError } from '#domain/errors';
import { createOpenaiStreamDecoder } from './stream.ts';

const eventOf = (value: unknown) => {
  const data = typeof value === 'string' ? value : JSON.stringify(value);
  return { data };
};

const chunk = (delta: object, rest: object = {}, finishReason: string | null = null) => ({
  id: 'chatcmpl-1',
  object: 'chat.completion.chunk',
  model: 'gpt-x',
  choices: [{ index: 0, delta, finish_reason: finishReason }],
  usage: null,
  ...rest,
});
const USAGE = { prompt_tokens: 9, completion_tokens: 4 };
const usageChunk = { id: 'chatcmpl-1', model: 'gpt-x', choices: [], usage: USAGE };

const decodeAll = (values: unknown[], usageInjected = false) => {
  const decoder = createOpenaiStreamDecoder({ usageInjected });
  const decoded = values.map((value) => decoder.decode(eventOf(value)));
  return {
    parts: decoded.flatMap(({ parts }) => parts),
    content: decoded.map(({ content }) => content),
    hidden: decoded.map(({ hidden }) => hidden),
    facts: decoder.facts(),
  };
};

describe('streamed chat completions', () => {
  it('become parts, with the final usage after the finish', () => {
    const { parts, content, hidden, facts } = decodeAll([
      chunk({ role: 'assistant', content: '' }, { service_tier: 'default' }),
      chunk({ content: 'Hello' }),
      chunk({}, {}, 'stop'),
      usageChunk,
      '[DONE]',
    ]);
    expect(parts).toMatchObject([
      { type: 'start', id: 'chatcmpl-1', model: 'gpt-x' },
      { type: 'text_delta', text: 'Hello' },
      { type: 'finish', reason: 'stop' },
      { type: 'usage', usage: { source: 'provider', tokens: { input: 9, output: 4 } } },
      { type: 'end' },
    ]);
    expect(content).toEqual([false, true, false, false, false]);
    expect(hidden).toEqual([false, false, false, false, false]);
    expect(facts).toMatchObject({
      id: 'chatcmpl-1',
      model: 'gpt-x',
      finishReason: 'stop',
      usage: { source: 'provider', serviceTier: 'default', raw: USAGE },
    });
  });

  it('hide the usage nobody but flo2 asked for, and nothing else', () => {
    const values = [chunk({ content: 'a' }), chunk({}, { usage: USAGE }, 'stop'), usageChunk, '[DONE]'];
    expect(decodeAll(values, true).hidden).toEqual([false, false, true, false]);
    expect(decodeAll(values).hidden).toEqual([false, false, false, false]);
    expect(decodeAll([{ choices: [], prompt_filter_results: [] }], true).hidden).toEqual([false]);
  });

  it('count as partial what is reported before the end, and as known what was told last', () => {
    const values = [chunk({ content: 'a' }, { usage: USAGE }), chunk({ content: 'b' })];
    expect(decodeAll(values).facts.usage.source).toBe('provider_partial');
    expect(decodeAll([...values, '[DONE]']).facts.usage.source).toBe('provider');
    expect(decodeAll([chunk({ content: 'a' }), '[DONE]']).facts.usage.source).toBe('none');
  });

  it('keep calls apart by their index', () => {
    const call = (index: number, fn: object, id?: string) =>
      chunk({ tool_calls: [{ index, ...(id !== undefined && { id, type: 'function' }), function: fn }] });
    const { parts, content } = decodeAll([
      call(0, { name: 'one', arguments: '' }, 'call_a'),
      call(0, { arguments: '{"a"' }),
      call(1, { name: 'two', arguments: '{' }, 'call_b'),
      call(0, { arguments: ':1}' }),
      call(2, { name: 'three' }),
    ]);
    expect(parts.slice(1)).toEqual([
      { type: 'tool_call_start', index: 0, id: 'call_a', name: 'one' },
      { type: 'tool_call_delta', index: 0, argumentsDelta: '{"a"' },
      { type: 'tool_call_start', index: 1, id: 'call_b', name: 'two' },
      { type: 'tool_call_delta', index: 1, argumentsDelta: '{' },
      { type: 'tool_call_delta', index: 0, argumentsDelta: ':1}' },
      { type: 'tool_call_start', index: 2, id: 'chatcmpl-1-2', name: 'three' },
    ]);
    expect(content).not.toContain(false);
  });

  it.each([
    { content: 'a' },
    { refusal: 'no' },
    { reasoning: 'hm' },
    { reasoning_content: 'hm' },
    { audio: { id: 'audio_1' } },
    { tool_calls: [{ index: 0, type: 'custom', custom: { name: 'c' } }] },
    { function_call: { name: 'f' } },
  ])('carry content in %j', (delta) => {
    expect(decodeAll([chunk(delta)]).content).toEqual([true]);
  });

  it('tell a refusal, which ends by the filter', () => {
    expect(decodeAll([chunk({ refusal: 'No.' }), chunk({}, {}, 'stop')]).parts.slice(1)).toEqual([
      { type: 'refusal_delta', text: 'No.' },
      { type: 'finish', reason: 'content_filter' },
    ]);
  });

  it('start once, by the names of the first chunk that has them', () => {
    const router = { id: '', model: '', choices: [], prompt_filter_results: [] };
    const { parts } = decodeAll([router, chunk({ role: 'assistant' }), chunk({ content: 'a' })]);
    expect(parts).toEqual([
      { type: 'start', id: 'chatcmpl-1', model: 'gpt-x' },
      { type: 'text_delta', text: 'a' },
    ]);
  });

  it('make parts of the first choice alone, and content of any', () => {
    const { parts, content } = decodeAll([
      chunk({ content: 'a' }),
      chunk({}, { choices: [{ index: 1, delta: { content: 'b' } }] }),
    ]);
    expect(parts.filter(({ type }) => type === 'text_delta')).toHaveLength(1);
    expect(content).toEqual([true, true]);
  });

  it('let comments and unknown events pass', () => {
    const { parts, content } = decodeAll(['', { type: 'ping' }, { object: 'something.new' }]);
    expect({ parts, content }).toEqual({ parts: [], content: [false, false, false] });
  });

  it('break with the error the provider reports in the middle', () => {
    const decoder = createOpenaiStreamDecoder({ usageInjected: true });
    decoder.decode(eventOf(chunk({ content: 'a' })));
    expect(() => decoder.decode(eventOf({ error: { message: 'It broke.', type: 'server_error' } }))).toThrow(
      new FloError('server', 'It broke.'),
    );
    expect(decoder.facts()).toMatchObject({ id: 'chatcmpl-1', usage: { source: 'none' } });
  });

  it.each(['{"id":', 'hello', '[]', '7'])('are malformed where an event is %j', (data) => {
    expect(() => decodeAll([data])).toThrow(expect.objectContaining({ code: 'malformed_answer' }));
  });
});
