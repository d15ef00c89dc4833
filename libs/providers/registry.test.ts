import { describe, expect, it } from 'vitest';
import type { CompatibleDialect, ProviderId } from '#contracts/vocabulary';
import { providerFor } from './registry.ts';

const chatUrl = (
  provider: ProviderId,
  baseUrl: string | null,
  dialect: CompatibleDialect | null = null,
): string => {
  const at = providerFor({ provider, baseUrl, dialect });
  const wire = at.wires.find(({ operation }) => operation === 'chat');
  const call = wire?.encodePassThrough({
    body: Buffer.from('{"model":"m"}'),
    model: 'a model',
    stream: false,
    forwardedHeaders: {},
  });
  return at.baseUrl + (call?.path ?? '');
};

describe('where a key is called', () => {
  it.each([
    ['openai', null, 'https://api.openai.com/v1/chat/completions'],
    ['openai', 'https://proxy.example/openai/v1', 'https://proxy.example/openai/v1/chat/completions'],
    ['openai', 'https://proxy.example', 'https://proxy.example/v1/chat/completions'],
    ['groq', 'https://proxy.example/', 'https://proxy.example/openai/v1/chat/completions'],
    ['openrouter', 'https://proxy.example:8443', 'https://proxy.example:8443/api/v1/chat/completions'],
    ['mistral', null, 'https://api.mistral.ai/v1/chat/completions'],
    ['anthropic', 'https://proxy.example/v1', 'https://proxy.example/v1/messages'],
    ['anthropic', 'https://proxy.example/claude', 'https://proxy.example/claude/v1/messages'],
    ['openai_compatible', 'http://127.0.0.1:8000/v1', 'http://127.0.0.1:8000/v1/chat/completions'],
  ] as const)('for %s at %s is %s', (provider, baseUrl, url) => {
    expect(chatUrl(provider, baseUrl)).toBe(url);
  });

  it.each([
    [
      'https://res.openai.azure.com',
      'https://res.openai.azure.com/openai/deployments/a%20model/chat/completions?api-version=2024-10-21',
    ],
    [
      'https://res.openai.azure.com/openai?api-version=2025-04-01-preview',
      'https://res.openai.azure.com/openai/deployments/a%20model/chat/completions?api-version=2025-04-01-preview',
    ],
    [
      'https://res.openai.azure.com/openai/deployments/mine/chat/completions?api-version=2025-01-01-preview',
      'https://res.openai.azure.com/openai/deployments/mine/chat/completions?api-version=2025-01-01-preview',
    ],
    [
      'https://res.services.ai.azure.com/openai/v1',
      'https://res.services.ai.azure.com/openai/v1/chat/completions',
    ],
  ])('for Azure at %s is %s', (baseUrl, url) => {
    expect(chatUrl('openai_compatible', baseUrl)).toBe(url);
  });

  it('is as the key says where the host does not tell', () => {
    const baseUrl = 'https://gateway.example/azure';
    expect(chatUrl('openai_compatible', baseUrl, 'azure')).toBe(
      'https://gateway.example/azure/openai/deployments/a%20model/chat/completions?api-version=2024-10-21',
    );
    expect(providerFor({ provider: 'openai_compatible', baseUrl, dialect: 'azure' }).authorize('k')).toEqual({
      'api-key': 'k',
    });
    expect(providerFor({ provider: 'openai_compatible', baseUrl, dialect: null }).authorize('k')).toEqual({
      authorization: 'Bearer k',
    });
  });
});
