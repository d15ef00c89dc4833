import { describe, expect, it } from 'vitest';
import type { DispatchHeader } from '#contracts/dispatch';
import type { ProviderId } from '#contracts/vocabulary';
import { providerOf } from '#providers/registry';
import { translateFor } from './translation.ts';

const translate = (
  surface: DispatchHeader['surface'],
  provider: ProviderId,
  body: object,
  dropInexpressible = false,
) => {
  const header = { surface, stream: false, streamFraming: 'sse', forwardedHeaders: {}, admittedAtMs: 0 };
  return translateFor({ ...header, dropInexpressible } as DispatchHeader, Buffer.from(JSON.stringify(body)), {
    provider: providerOf(provider),
    model: 'a-model',
  });
};

const sentOf = ({ call }: ReturnType<typeof translate>): unknown =>
  JSON.parse(Buffer.from(call.body).toString());

describe('an instruction in the middle of a conversation', () => {
  const input = [
    { role: 'user', content: 'hello' },
    { role: 'developer', content: 'Be brief.' },
  ];

  it('stays one where the provider has the role', () => {
    expect(sentOf(translate('openai-responses', 'groq', { model: 'm', input }))).toMatchObject({
      messages: [{ role: 'user' }, { role: 'system', content: 'Be brief.' }],
    });
  });

  it.each(['anthropic', 'google'] as const)(
    'is refused by its role for %s, or told to be dropped',
    (provider) => {
      const chat = { model: 'm', messages: input };
      expect(() => translate('openai-chat', provider, chat)).toThrow(
        expect.objectContaining({ code: 'invalid_request', param: 'messages.role' }),
      );
      expect(() => translate('openai-responses', provider, { model: 'm', input })).toThrow(
        expect.objectContaining({ param: 'input.role' }),
      );
      const lenient = translate('openai-chat', provider, chat, true);
      expect(lenient.droppedParams).toEqual(['messages.role']);
      expect(JSON.stringify(sentOf(lenient))).toContain('Be brief.');
    },
  );
});

describe('embeddings of a provider that does not name its model', () => {
  it('have the name of the model that was asked', () => {
    const { translateAnswer } = translate('openai-embeddings', 'google', { model: 'm', input: 'one' });
    const { body } = translateAnswer(Buffer.from(JSON.stringify({ embeddings: [{ values: [0.5] }] })));
    expect(JSON.parse(Buffer.from(body).toString())).toMatchObject({ model: 'a-model' });
  });
});
