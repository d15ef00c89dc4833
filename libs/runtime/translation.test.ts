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

describe('a request that one wire of a provider can say more of', () => {
  const call = (thinking: object, changes: object = {}) => {
    const messages = [{ role: 'user', content: 'hello' }];
    const body = { model: 'openai/gpt-x', max_tokens: 9, messages, ...thinking, ...changes };
    const target = { provider: providerOf('openai'), model: 'gpt-x' };
    return translateFor(headerOf('anthropic-messages'), Buffer.from(JSON.stringify(body)), target).call;
  };

  it('goes by that wire, and any other by the usual one', () => {
    expect(call({}).path).toBe('/chat/completions');
    const shown = call({ thinking: { type: 'adaptive' }, output_config: { effort: 'low' } });
    expect(shown.path).toBe('/responses');
    expect(JSON.parse(Buffer.from(shown.body).toString('utf8'))).toMatchObject({
      reasoning: { effort: 'low', summary: 'auto' },
    });
  });

  it('is refused where no wire can say all of it', () => {
    const thinking = { thinking: { type: 'adaptive' } };
    expect(() => call(thinking, { stop_sequences: ['END'] })).toThrow(
      expect.objectContaining({ code: 'invalid_request', param: 'thinking.display' }),
    );
  });
});
