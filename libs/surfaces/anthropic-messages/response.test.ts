import { describe, expect, it } from 'vitest';
import type { ChatResponse } from '#contracts/inference';
import { UNKNOWN_USAGE, type Usage } from '#contracts/usage';
import { NO_SEAL, wrapSeal } from '../seal-text.ts';
import { encodeAnthropicResponse, encodeUsage } from './response.ts';

const RESPONSE: ChatResponse = {
  id: 'chatcmpl-1',
  model: 'gpt-4o-mini',
  content: [
    { type: 'text', text: 'Looking.' },
    { type: 'tool_call', id: 'call_1', name: 'look', argumentsJson: '{"place":"Köln"}' },
    { type: 'tool_call', id: 'call_2', name: 'now', argumentsJson: '' },
  ],
  finishReason: 'tool_calls',
  usage: { source: 'provider', tokens: { input: 3, output: 5 } },
};

const usageOf = (tokens: Usage['tokens']) => encodeUsage({ source: 'provider', tokens });

describe('messages', () => {
  it('have the shape of the dialect', () => {
    expect(encodeAnthropicResponse(RESPONSE)).toEqual({
      id: 'chatcmpl-1',
      type: 'message',
      role: 'assistant',
      model: 'gpt-4o-mini',
      content: [
        { type: 'text', text: 'Looking.' },
        { type: 'tool_use', id: 'call_1', name: 'look', input: { place: 'Köln' } },
        { type: 'tool_use', id: 'call_2', name: 'now', input: {} },
      ],
      stop_reason: 'tool_use',
      stop_sequence: null,
      usage: {
        input_tokens: 3,
        cache_creation_input_tokens: null,
        cache_read_input_tokens: null,
        cache_creation: null,
        output_tokens: 5,
        service_tier: null,
      },
    });
  });

  it('show what the model thought, with its proof, and where it read a thing', () => {
    const own = { origin: 'anthropic', kind: 'signature', value: 'EqQB' } as const;
    const foreign = { origin: 'google', kind: 'signature', value: 'sig' } as const;
    const content: ChatResponse['content'] = [
      { type: 'reasoning', text: 'hm', seal: own },
      { type: 'reasoning', text: '', seal: own },
      { type: 'reasoning', text: '', seal: foreign },
      { type: 'reasoning', text: 'so' },
      { type: 'text', text: 'Yes.', citations: [{ url: 'https://a.b', title: 'A', citedText: 'yes' }] },
      { type: 'tool_call', id: 'a', name: 'f', argumentsJson: '{}', seal: foreign },
    ];
    expect(encodeAnthropicResponse({ ...RESPONSE, content })).toMatchObject({
      content: [
        { type: 'thinking', thinking: 'hm', signature: 'EqQB' },
        { type: 'thinking', thinking: '', signature: 'EqQB' },
        { type: 'redacted_thinking', data: wrapSeal(foreign) },
        { type: 'thinking', thinking: 'so', signature: NO_SEAL },
        {
          type: 'text',
          text: 'Yes.',
          citations: [
            { type: 'web_search_result_location', url: 'https://a.b', title: 'A', cited_text: 'yes' },
          ],
        },
        { type: 'redacted_thinking', data: wrapSeal(foreign, 'a') },
        { type: 'tool_use', id: 'a', name: 'f', input: {} },
      ],
    });
  });

  it.each([
    ['stop', 'end_turn'],
    ['stop_sequence', 'stop_sequence'],
    ['length', 'max_tokens'],
    ['tool_calls', 'tool_use'],
    ['content_filter', 'refusal'],
  ] as const)('that end by %s say %s', (finishReason, stopReason) => {
    expect(encodeAnthropicResponse({ ...RESPONSE, finishReason, stopSequence: 'END' })).toMatchObject({
      stop_reason: stopReason,
      stop_sequence: 'END',
    });
  });

  it.each([
    ['{"pla', { raw_arguments: '{"pla' }],
    ['[1]', { value: [1] }],
    ['5', { value: 5 }],
  ])('keep the arguments %j, which are no object, readable', (argumentsJson, input) => {
    const content = [{ type: 'tool_call' as const, id: 'a', name: 'look', argumentsJson }];
    expect(encodeAnthropicResponse({ ...RESPONSE, content })).toMatchObject({ content: [{ input }] });
  });
});

describe('usage of messages', () => {
  it('counts every token once', () => {
    expect(
      usageOf({ input: 1, input_audio: 2, input_image: 4, output: 8, output_audio: 16, output_image: 32 }),
    ).toMatchObject({ input_tokens: 7, output_tokens: 56 });
    expect(usageOf({ input: 1, cache_read: 2, cache_write_5m: 4, cache_write_1h: 8 })).toMatchObject({
      input_tokens: 1,
      cache_read_input_tokens: 2,
      cache_creation_input_tokens: 12,
      cache_creation: { ephemeral_5m_input_tokens: 4, ephemeral_1h_input_tokens: 8 },
    });
  });

  it('gives no split of writes whose lifetime is unknown', () => {
    expect(usageOf({ cache_write_other: 9, cache_write_5m: 1 })).toMatchObject({
      cache_creation_input_tokens: 10,
      cache_creation: null,
    });
  });

  it('names reasoning, and a tier only in the words of the dialect', () => {
    const usage = { source: 'provider' as const, tokens: { output: 9 }, reasoning: 5 };
    expect(encodeUsage({ ...usage, serviceTier: 'priority' })).toMatchObject({
      output_tokens_details: { thinking_tokens: 5 },
      service_tier: 'priority',
    });
    expect(encodeUsage({ ...usage, serviceTier: 'default' })).toMatchObject({ service_tier: null });
  });

  it('has the counts that clients need where nothing is known', () => {
    expect(encodeUsage(UNKNOWN_USAGE)).toMatchObject({ input_tokens: 0, output_tokens: 0 });
  });
});
