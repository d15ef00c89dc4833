import { describe, expect, it } from 'vitest';
import type { DispatchHeader } from '#contracts/dispatch';
import { providerOf } from '#providers/registry';
import { wrapSeal } from '#surfaces/seal-text';
import { translateFor } from './translation.ts';

const headerOf = (surface: DispatchHeader['surface']): DispatchHeader =>
  ({
    surface,
    stream: false,
    streamFraming: 'sse',
    dropInexpressible: false,
    forwardedHeaders: {},
    admittedAtMs: 0,
  }) as DispatchHeader;

const TARGET = { provider: providerOf('anthropic'), model: 'claude-x' };

const conversation = (signature: string): Uint8Array =>
  Buffer.from(
    JSON.stringify({
      model: 'anthropic/claude-x',
      max_tokens: 9,
      messages: [
        { role: 'user', content: 'hello' },
        {
          role: 'assistant',
          content: [
            { type: 'thinking', thinking: 'hm', signature },
            { type: 'text', text: 'Hi' },
          ],
        },
        { role: 'user', content: 'And?' },
      ],
      unheard_of: 1,
    }),
  );

const asked = (body: Uint8Array): Record<string, unknown> =>
  JSON.parse(
    Buffer.from(translateFor(headerOf('anthropic-messages'), body, TARGET).call.body).toString('utf8'),
  );

describe('a conversation for a provider of its own dialect', () => {
  it('goes through as it is', () => {
    const body = conversation('EqQB');
    expect(asked(body)).toEqual({ ...JSON.parse(Buffer.from(body).toString('utf8')), model: 'claude-x' });
  });

  it('is translated where another provider sealed a part of it, which is left out', () => {
    const sealed = wrapSeal({ origin: 'google', kind: 'signature', value: 'sig' });
    expect(() => asked(conversation(sealed))).toThrow(expect.objectContaining({ param: 'unheard_of' }));
    const known = Buffer.from(conversation(sealed)).toString('utf8').replace(',"unheard_of":1', '');
    expect(asked(Buffer.from(known))).toMatchObject({
      model: 'claude-x',
      messages: [
        { role: 'user' },
        { role: 'assistant', content: [{ type: 'text', text: 'Hi' }] },
        { role: 'user' },
      ],
    });
  });
});
