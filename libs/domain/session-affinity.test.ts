import { describe, expect, it } from 'vitest';
import { readRequestNeeds } from './request-needs.ts';
import { conversationOf, drawsOf } from './session-affinity.ts';

const user = (content: string) => ({ role: 'user', content });
const assistant = (content: string) => ({ role: 'assistant', content });
const system = { role: 'system', content: 'Be short.' };

describe('a conversation', () => {
  it('is the same in each of its turns, in every dialect', () => {
    const first = conversationOf({ messages: [system, user('hello')] });
    expect(conversationOf({ messages: [system, user('hello'), assistant('hi'), user('more')] })).toBe(first);
    expect(conversationOf({ messages: [system, user('other')] })).not.toBe(first);

    const gemini = (texts: string[]) => ({
      systemInstruction: { parts: [{ text: 'x' }] },
      contents: texts.map((text, index) => ({ role: index % 2 === 0 ? 'user' : 'model', parts: [{ text }] })),
    });
    expect(conversationOf(gemini(['a', 'b', 'c']))).toBe(conversationOf(gemini(['a'])));
    expect(conversationOf(gemini(['b']))).not.toBe(conversationOf(gemini(['a'])));
  });

  it('is what the client’s cache key says', () => {
    const keyed = (content: string) => ({ prompt_cache_key: 'k', messages: [user(content)] });
    expect(conversationOf(keyed('one'))).toBe(conversationOf(keyed('two')));
  });

  it('draws the same for the same name, and evenly over names', () => {
    const draw = drawsOf('conversation', () => 0.5);
    expect(draw('key')).toBe(draw('key'));
    const draws = Array.from({ length: 2_000 }, (_, index) => drawsOf(String(index), () => 0)('key'));
    expect(draws.filter((value) => value < 0.5).length).toBeGreaterThan(900);
    expect(draws.filter((value) => value < 0.5).length).toBeLessThan(1_100);
    expect(drawsOf(null, () => 0.25)('key')).toBe(0.25);
  });
});

describe('what a request needs', () => {
  it.each([
    {
      messages: [
        { role: 'user', content: [{ type: 'image_url', image_url: { url: 'data:image/png;base64,AAAA' } }] },
      ],
    },
    {
      messages: [
        {
          role: 'user',
          content: [{ type: 'image', source: { type: 'base64', media_type: 'image/png', data: 'AAAA' } }],
        },
      ],
    },
    { contents: [{ parts: [{ inlineData: { mimeType: 'image/png', data: 'AAAA' } }] }] },
    {
      input: [{ role: 'user', content: [{ type: 'input_image', image_url: 'data:image/png;base64,AAAA' }] }],
    },
  ])('is sight for an image, in any dialect, whose bytes are no words', (body) => {
    const needs = readRequestNeeds(body);
    expect(needs.imageInput).toBe(true);
    expect(needs.promptTokens).toBeLessThan(20);
  });

  it('counts the words and the tools', () => {
    const needs = readRequestNeeds({ messages: [user('x'.repeat(8_000))], tools: [{ type: 'function' }] });
    expect(needs).toMatchObject({ imageInput: false, tools: true });
    expect(needs.promptTokens).toBeGreaterThanOrEqual(2_000);
    expect(readRequestNeeds(null)).toEqual({ imageInput: false, tools: false, promptTokens: 0 });
  });
});
