import { describe, expect, it } from 'vitest';
import { Inexpressible } from '#domain/inexpressible';
import { decodeOpenaiRequest } from './request.ts';

const decode = (rest: object) =>
  decodeOpenaiRequest({
    body: { model: 'm', messages: [{ role: 'user', content: 'x' }], ...rest },
    stream: false,
    inexpressible: new Inexpressible({ drop: false }),
  });

describe('a chat completion request of a related dialect', () => {
  it('understands the words of Mistral and Groq for the same things', () => {
    const image_url = 'https://example.com/a.png';
    const words = decode({
      messages: [
        { role: 'user', content: [{ type: 'image_url', image_url }] },
        { role: 'assistant', content: 'x', prefix: false },
      ],
      tools: [{ type: 'function', function: { name: 'f' } }],
      tool_choice: 'any',
      random_seed: 7,
      safe_prompt: false,
      include_reasoning: false,
      service_tier: 'on_demand',
    });
    expect(words).toMatchObject({
      messages: [{ content: [{ type: 'image', source: { kind: 'url', url: image_url } }] }, {}],
      toolChoice: { type: 'required' },
      seed: 7,
      reasoning: { shown: false },
      serviceTier: 'standard',
    });
    expect(decode({ reasoning_format: 'parsed' }).reasoning).toEqual({ shown: true });
  });
});
