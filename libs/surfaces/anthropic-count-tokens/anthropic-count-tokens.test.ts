import { describe, expect, it } from 'vitest';
import { Inexpressible } from '#domain/inexpressible';
import { anthropicCountTokens } from './anthropic-count-tokens.ts';

const BODY = { model: 'claude-x', system: 'Be brief.', messages: [{ role: 'user', content: 'hello' }] };

describe('a request for a count', () => {
  it('is a message request without a bound on the answer', () => {
    expect(anthropicCountTokens.readRequest(BODY, {})).toEqual({
      model: 'claude-x',
      stream: false,
      streamFraming: 'sse',
      maxOutputTokens: null,
      endUser: null,
      metadata: {},
    });
    const inexpressible = new Inexpressible({ drop: false });
    expect(anthropicCountTokens.decodeRequest({ body: BODY, stream: false, inexpressible })).toEqual({
      stream: false,
      system: [{ type: 'text', text: 'Be brief.' }],
      messages: [{ role: 'user', content: [{ type: 'text', text: 'hello' }] }],
      tools: [],
      stop: [],
    });
    expect(anthropicCountTokens.encodeResponse({ inputTokens: 9 })).toEqual({ input_tokens: 9 });
  });

  it.each([
    ['model', { model: undefined }],
    ['messages', { messages: [] }],
  ])('names %s where it is wrong', (param, changes) => {
    expect(() => anthropicCountTokens.readRequest({ ...BODY, ...changes }, {})).toThrow(
      expect.objectContaining({ code: 'invalid_request', param }),
    );
  });
});
