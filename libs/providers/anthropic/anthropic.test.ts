import { describe, expect, it } from 'vitest';
import { Inexpressible } from '#domain/inexpressible';
import { anthropic, messages } from './anthropic.ts';

const passThrough = (forwardedHeaders: Record<string, string>) =>
  messages.encodePassThrough({
    body: Buffer.from('{"model":"anthropic/x", "max_tokens":5,"unheard_of":12345678901234567890}'),
    model: 'claude-haiku-4-5',
    stream: true,
    forwardedHeaders,
  });

describe('calls to Anthropic', () => {
  it("pass the client's bytes through with the model alone changed", () => {
    const call = passThrough({});
    expect(Buffer.from(call.body).toString()).toBe(
      '{"model":"claude-haiku-4-5", "max_tokens":5,"unheard_of":12345678901234567890}',
    );
    expect(call).toMatchObject({ path: '/v1/messages', usageInjected: false });
  });

  it("carry the client's own version and betas, and a version in any case", () => {
    expect(passThrough({}).headers).toEqual({
      'content-type': 'application/json',
      'anthropic-version': '2023-06-01',
    });
    const own = { 'anthropic-version': '2026-10-21', 'anthropic-beta': 'a-1,b-2' };
    expect(passThrough({ ...own, cookie: 'x' }).headers).toEqual({
      'content-type': 'application/json',
      ...own,
    });
  });

  it('are written in the version of the translation where they are translated', () => {
    const call = messages.encodeRequest({
      request: {
        stream: false,
        system: [],
        messages: [{ role: 'user', content: [{ type: 'text', text: 'grüße' }] }],
        tools: [],
        stop: [],
      },
      model: 'claude-haiku-4-5',
      inexpressible: new Inexpressible({ drop: false }),
    });
    expect(call.headers['anthropic-version']).toBe('2023-06-01');
    expect(JSON.parse(Buffer.from(call.body).toString())).toMatchObject({
      model: 'claude-haiku-4-5',
      messages: [{ content: [{ text: 'grüße' }] }],
    });
  });

  it('hold the key in its header alone, and are told apart by the request id', () => {
    expect(anthropic.authorize('sk-ant-x')).toEqual({ 'x-api-key': 'sk-ant-x' });
    expect(anthropic.readRequestId({ 'request-id': 'req_1' })).toBe('req_1');
    expect(anthropic.readRequestId({})).toBeNull();
  });
});
