import { describe, expect, it } from 'vitest';
import { decodeAnthropicError, decodeAnthropicFailure } from './failure.ts';

const NOW_MS = Date.parse('2026-01-01T00:00:00Z');

const errorBody = (type: string, message: string): string =>
  JSON.stringify({ type: 'error', error: { type, message }, request_id: 'req_1' });

const decode = (status: number, body: string, headers: Record<string, string> = {}) =>
  decodeAnthropicFailure({ status, headers, body: Buffer.from(body), nowMs: NOW_MS });

describe('error answers of the Messages API', () => {
  it.each([
    [400, 'messages.0.content: Field required', 'invalid_request'],
    [400, 'prompt is too long: 210000 tokens > 200000 maximum', 'context_length'],
    [400, 'input length and `max_tokens` exceed context limit: 9 + 9 > 10', 'context_length'],
    [400, 'Your credit balance is too low to access the Anthropic API.', 'quota'],
    [402, 'There is a problem with billing.', 'quota'],
    [401, 'invalid x-api-key', 'authentication'],
    [403, 'Your API key does not have permission.', 'permission'],
    [404, 'model: claude-unheard-of', 'upstream_not_found'],
    [413, 'Request exceeds the maximum size', 'too_large'],
    [422, 'Unprocessable', 'invalid_request'],
    [429, 'This request would exceed the rate limit of 50 requests per minute.', 'rate_limit_requests'],
    [429, 'This request would exceed the limit of 30,000 input tokens per minute.', 'rate_limit_tokens'],
    [500, 'Internal server error', 'server'],
    [503, 'Service unavailable', 'overloaded'],
    [504, 'The request timed out', 'server'],
    [529, 'Overloaded', 'overloaded'],
  ])('reads %i %j as %s', (status, message, code) => {
    const error = decode(status, errorBody('some_error', message));
    expect(error).toMatchObject({ code, upstreamStatus: status });
  });

  it.each([
    [{ 'anthropic-ratelimit-input-tokens-remaining': '0' }, 'rate_limit_tokens'],
    [{ 'anthropic-ratelimit-output-tokens-remaining': '0' }, 'rate_limit_tokens'],
    [{ 'anthropic-ratelimit-requests-remaining': '0' }, 'rate_limit_requests'],
    [{}, 'rate_limit_requests'],
  ])('tells the limit by the headers %j where the message does not', (headers, code) => {
    expect(decode(429, errorBody('rate_limit_error', 'Too many.'), headers).code).toBe(code);
  });

  it.each([
    [{ 'retry-after': '21' }, 21_000],
    [{ 'retry-after': 'Thu, 01 Jan 2026 00:00:30 GMT' }, 30_000],
    [{ 'retry-after': '9', 'retry-after-ms': '250' }, 250],
    [{}, undefined],
  ])('waits as %j asks', (headers, retryAfterMs) => {
    expect(decode(429, '', headers).retryAfterMs).toBe(retryAfterMs);
  });

  it.each(['', '<html><body>Bad gateway</body></html>', '{"type":"error","err', '[]', '"down"', '{}'])(
    'is a clear sentence for the body %j',
    (body) => {
      const error = decode(502, body);
      expect(error.code).toBe('server');
      expect(error.message).toContain('502');
      expect(error.message).not.toContain('<');
    },
  );

  it('says in its own words what may hold a part of a key, and takes keys out of other words', () => {
    const message = 'invalid x-api-key sk-ant-api03-secret1234';
    expect(decode(401, errorBody('authentication_error', message)).message).not.toContain('secret1234');
    expect(decode(403, errorBody('permission_error', message)).message).not.toContain('secret1234');
    expect(decode(400, errorBody('invalid_request_error', message)).message).not.toContain('secret1234');
  });

  it('bounds the words it passes on', () => {
    expect(decode(400, errorBody('invalid_request_error', 'a '.repeat(9_000))).message.length).toBe(1_000);
  });

  it.each([
    ['overloaded_error', 'Overloaded', 'overloaded'],
    ['rate_limit_error', 'Too many tokens', 'rate_limit_tokens'],
    ['rate_limit_error', 'Too many', 'rate_limit_requests'],
    ['api_error', 'Internal server error', 'server'],
    ['timeout_error', 'Timed out', 'server'],
    ['invalid_request_error', 'prompt is too long', 'context_length'],
    ['authentication_error', 'invalid x-api-key', 'authentication'],
    ['unheard_of_error', 'What?', 'server'],
  ])('reads an error with status 200 of type %s as such', (type, message, code) => {
    expect(decodeAnthropicError({ type: 'error', error: { type, message } }).code).toBe(code);
  });
});
