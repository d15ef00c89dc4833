import { describe, expect, it } from 'vitest';
import { Inexpressible } from '#domain/inexpressible';
import { openaiCountTokens } from './openai-count-tokens.ts';

const BODY = { model: 'gpt-x', instructions: 'Be brief.', input: 'hello' };

describe("a request for a count in OpenAI's dialect", () => {
  it('is a request for a response that is not streamed', () => {
    expect(openaiCountTokens.readRequest({ ...BODY, stream: true }, {})).toMatchObject({
      model: 'gpt-x',
      stream: false,
    });
    const inexpressible = new Inexpressible({ drop: false });
    expect(openaiCountTokens.decodeRequest({ body: BODY, stream: false, inexpressible })).toEqual({
      stream: false,
      system: [{ type: 'text', text: 'Be brief.' }],
      messages: [{ role: 'user', content: [{ type: 'text', text: 'hello' }] }],
      tools: [],
      stop: [],
    });
    expect(openaiCountTokens.encodeResponse({ inputTokens: 9 })).toEqual({
      object: 'response.input_tokens',
      input_tokens: 9,
    });
  });

  it.each([
    ['model', { model: undefined }],
    ['input', { input: [] }],
  ])('names %s where it is wrong', (param, changes) => {
    expect(() => openaiCountTokens.readRequest({ ...BODY, ...changes }, {})).toThrow(
      expect.objectContaining({ code: 'invalid_request', param }),
    );
  });
});
