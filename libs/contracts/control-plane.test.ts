import { describe, expect, it } from 'vitest';
import { apiKeyBody, providerKeyBody, providerKeyPatch, routeBody, routeName } from './control-plane.ts';

const key = { provider: 'openai', name: 'main', secret: 'sk-of-the-test' };
const baseUrlOf = (text: string): string | null =>
  providerKeyBody.safeParse({ ...key, base_url: text }).data?.base_url ?? null;

describe('the control plane’s bodies', () => {
  it.each([
    ['https://api.example.com/v1', 'https://api.example.com/v1'],
    ['https://api.example.com/v1//', 'https://api.example.com/v1'],
    [' HTTPS://API.example.com ', 'https://api.example.com'],
    ['https://api.example.com/a\0b', 'https://api.example.com/a%00b'],
  ])('store the base URL %j as a client would call it', (text, url) => {
    expect(baseUrlOf(text)).toBe(url);
  });

  it.each([
    '',
    'api.example.com',
    'https://',
    'https://x/v1?',
    'https://x/v1#',
    'https://x/?a=b',
    'file:///etc',
  ])('refuse the base URL %j', (text) => expect(baseUrlOf(text)).toBeNull());

  it('refuse secrets that would not fit in one header', () => {
    for (const secret of [
      'short',
      'sk-with space',
      'sk-line\nbreak',
      'sk-umlautä',
      `sk-${'x'.repeat(5_000)}`,
    ]) {
      expect(providerKeyBody.safeParse({ ...key, secret }).success, JSON.stringify(secret)).toBe(false);
    }
  });

  it('refuse fields they do not have, in parts too, and what only another call may change', () => {
    expect(providerKeyBody.safeParse({ ...key, scope: 'x' }).success).toBe(false);
    expect(providerKeyPatch.safeParse({ secret: 'sk-of-the-test' }).success).toBe(false);
    expect(providerKeyPatch.safeParse({ provider: 'openai' }).success).toBe(false);
    expect(apiKeyBody.safeParse({ name: 'x', limits: { per_day: 1 } }).success).toBe(false);
    expect(routeBody.safeParse({ strategy: 'fallback', targets: [{ model: 'm', key: 'k' }] }).success).toBe(
      false,
    );
  });

  it('give a key no more than inference, batches and its own usage unless asked', () => {
    expect(apiKeyBody.parse({ name: 'x' })).toEqual({
      name: 'x',
      team: null,
      feature: null,
      tags: {},
      scopes: ['inference', 'batch', 'usage:read'],
      models: null,
      limits: {},
      allow_override: false,
      expires_at: null,
    });
  });

  it.each(['', 'a/b', '-a', 'a b', 'ä', 'x'.repeat(129)])('refuse %j as a route’s name', (name) => {
    expect(routeName.safeParse(name).success).toBe(false);
  });
});
