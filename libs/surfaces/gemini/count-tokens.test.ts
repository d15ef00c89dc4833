import { describe, expect, it } from 'vitest';
import { Inexpressible } from '#domain/inexpressible';
import { geminiCountTokens } from './count-tokens.ts';

const BODY = { contents: [{ role: 'user', parts: [{ text: 'hello' }] }] };

describe('a request for a count', () => {
  it('is read from contents alone, and from a whole request', () => {
    const inexpressible = new Inexpressible({ drop: false });
    const alone = geminiCountTokens.decodeRequest({ body: BODY, stream: false, inexpressible });
    const whole = { generateContentRequest: { model: 'models/m', ...BODY } };
    expect(geminiCountTokens.decodeRequest({ body: whole, stream: false, inexpressible })).toEqual(alone);
    expect(geminiCountTokens.readRequest(whole, { model: 'm' })).toMatchObject({ model: 'm', stream: false });
    expect(geminiCountTokens.encodeResponse({ inputTokens: 8, cachedTokens: 2 })).toEqual({
      totalTokens: 8,
      cachedContentTokenCount: 2,
    });
  });
});
