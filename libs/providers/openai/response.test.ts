import { describe, expect, it } from 'vitest';
import { decodeOpenaiResponse, readOpenaiAnswer } from './response.ts';

const bodyOf = (message: object, finishReason = 'stop', rest: object = {}): Uint8Array =>
  Buffer.from(
    JSON.stringify({
      id: 'chatcmpl-1',
      model: 'gpt-x',
      choices: [{ index: 0, message: { role: 'assistant', ...message }, finish_reason: finishReason }],
      usage: { prompt_tokens: 9, completion_tokens: 4 },
      service_tier: 'default',
      ...rest,
    }),
  );

describe('whole chat completions', () => {
  it('become text with its usage', () => {
    expect(decodeOpenaiResponse(bodyOf({ content: 'Hello' }, 'length'))).toMatchObject({
      id: 'chatcmpl-1',
      model: 'gpt-x',
      content: [{ type: 'text', text: 'Hello' }],
      finishReason: 'length',
      usage: { source: 'provider', tokens: { input: 9, output: 4 }, serviceTier: 'default' },
    });
  });

  it('become tool calls with the arguments as the model wrote them', () => {
    const call = (id: string, args: string) => ({
      id,
      type: 'function',
      function: { name: 'f', arguments: args },
    });
    const body = bodyOf(
      { content: null, tool_calls: [call('a', '{"x": 1.0}'), call('b', '')] },
      'tool_calls',
    );
    expect(decodeOpenaiResponse(body)).toMatchObject({
      content: [
        { type: 'tool_call', id: 'a', name: 'f', argumentsJson: '{"x": 1.0}' },
        { type: 'tool_call', id: 'b', name: 'f', argumentsJson: '' },
      ],
      finishReason: 'tool_calls',
    });
  });

  it('tell a refusal, which ends by the filter', () => {
    expect(decodeOpenaiResponse(bodyOf({ content: null, refusal: 'No.' }))).toMatchObject({
      content: [{ type: 'refusal', text: 'No.' }],
      finishReason: 'content_filter',
    });
  });

  it('are read for the ledger where they pass through', () => {
    expect(readOpenaiAnswer(bodyOf({ content: 'Hello' }, 'stop', { usage: undefined }))).toEqual({
      id: 'chatcmpl-1',
      model: 'gpt-x',
      finishReason: 'stop',
      usage: { source: 'none', tokens: {} },
    });
  });

  it('are an error where the provider put one in their place', () => {
    const body = Buffer.from('{"error":{"message":"Blocked.","code":"content_filter"}}');
    for (const read of [readOpenaiAnswer, decodeOpenaiResponse]) {
      expect(() => read(body)).toThrow(
        expect.objectContaining({ code: 'content_filter', message: 'Blocked.' }),
      );
    }
  });

  it.each([
    '',
    '<html></html>',
    '{"id":"chatcmpl-1","choi',
    '[]',
    '{}',
    '{"choices":[]}',
    '{"choices":[7]}',
    '\xff',
  ])('are malformed as %j', (text) => {
    for (const read of [readOpenaiAnswer, decodeOpenaiResponse]) {
      expect(() => read(Buffer.from(text, 'latin1'))).toThrow(
        expect.objectContaining({ code: 'malformed_answer' }),
      );
    }
  });
});
