import { describe, expect, it } from 'vitest';
import { decodeAnthropicResponse, readAnthropicAnswer } from './response.ts';

const MESSAGE = {
  id: 'msg_1',
  type: 'message',
  role: 'assistant',
  model: 'claude-haiku-4-5-20251001',
  content: [
    { type: 'thinking', thinking: 'hm', signature: 'abc' },
    { type: 'text', text: 'Let me look.', citations: null },
    { type: 'server_tool_use', id: 'srvtoolu_1', name: 'web_search', input: {} },
    { type: 'tool_use', id: 'toolu_1', name: 'look', input: { place: 'Köln' }, caller: { type: 'direct' } },
    { type: 'tool_use', id: 'toolu_2', name: 'now', input: {} },
  ],
  stop_reason: 'tool_use',
  stop_sequence: null,
  usage: { input_tokens: 3, output_tokens: 5 },
};

const bytes = (value: unknown): Uint8Array => Buffer.from(JSON.stringify(value));

describe('answers of the Messages API', () => {
  it('become thoughts with their seal, text and tool calls', () => {
    expect(decodeAnthropicResponse(bytes(MESSAGE))).toEqual({
      id: 'msg_1',
      model: 'claude-haiku-4-5-20251001',
      content: [
        { type: 'reasoning', text: 'hm', seal: { origin: 'anthropic', kind: 'signature', value: 'abc' } },
        { type: 'text', text: 'Let me look.' },
        { type: 'tool_call', id: 'toolu_1', name: 'look', argumentsJson: '{"place":"Köln"}' },
        { type: 'tool_call', id: 'toolu_2', name: 'now', argumentsJson: '{}' },
      ],
      finishReason: 'tool_calls',
      usage: {
        source: 'provider',
        tokens: { input: 3, output: 5 },
        raw: { input_tokens: 3, output_tokens: 5 },
      },
    });
  });

  it.each([
    ['end_turn', 'stop'],
    ['pause_turn', 'stop'],
    ['max_tokens', 'length'],
    ['model_context_window_exceeded', 'length'],
    ['stop_sequence', 'stop_sequence'],
    ['tool_use', 'tool_calls'],
    ['refusal', 'content_filter'],
    ['unheard_of', 'stop'],
    [null, 'stop'],
  ])('end by %s as %s', (stopReason, finishReason) => {
    const body = bytes({ ...MESSAGE, stop_reason: stopReason });
    expect(decodeAnthropicResponse(body).finishReason).toBe(finishReason);
    expect(readAnthropicAnswer(body).finishReason).toBe(finishReason);
  });

  it('name the stop sequence', () => {
    const body = bytes({ ...MESSAGE, stop_reason: 'stop_sequence', stop_sequence: 'END' });
    expect(decodeAnthropicResponse(body).stopSequence).toBe('END');
  });

  it('are read for the ledger without loss where usage is missing', () => {
    expect(readAnthropicAnswer(bytes({ ...MESSAGE, usage: undefined }))).toEqual({
      id: 'msg_1',
      model: 'claude-haiku-4-5-20251001',
      finishReason: 'tool_calls',
      usage: { source: 'none', tokens: {} },
    });
  });

  it.each(['', '<html></html>', '{"id":"msg_1","content":[', '[]', 'null', '{}', '{"content":"x"}'])(
    'cannot be read from %j',
    (text) => {
      for (const read of [decodeAnthropicResponse, readAnthropicAnswer]) {
        expect(() => read(Buffer.from(text))).toThrow(expect.objectContaining({ code: 'malformed_answer' }));
      }
    },
  );

  it('are an error where one came with status 200', () => {
    const body = bytes({ type: 'error', error: { type: 'overloaded_error', message: 'Overloaded' } });
    expect(() => readAnthropicAnswer(body)).toThrow(expect.objectContaining({ code: 'overloaded' }));
  });
});
