import { describe, expect, it } from 'vitest';
import { decodeOpenaiError, decodeOpenaiFailure } from './failure.ts';

const NOW_MS = Date.parse('2026-01-01T00:00:00Z');

const decode = (status: number, error: unknown, headers: Record<string, string> = {}) =>
  decodeOpenaiFailure({
    status,
    headers,
    body: Buffer.from(typeof error === 'string' ? error : JSON.stringify({ error })),
    nowMs: NOW_MS,
  });

describe('error answers of the OpenAI API', () => {
  it.each([
    [400, { code: 'context_length_exceeded', type: 'invalid_request_error' }, 'context_length'],
    [400, { code: 'content_filter' }, 'content_filter'],
    [400, { code: 'content_policy_violation' }, 'content_filter'],
    [400, { code: 'invalid_value', type: 'invalid_request_error' }, 'invalid_request'],
    [400, { code: 'invalid_api_key' }, 'authentication'],
    [401, { code: 'invalid_api_key' }, 'authentication'],
    [402, {}, 'quota'],
    [403, { code: 'unsupported_country_region_territory' }, 'permission'],
    [403, { code: 'model_not_found' }, 'permission'],
    [404, { code: 'model_not_found' }, 'upstream_not_found'],
    [408, {}, 'server'],
    [413, {}, 'too_large'],
    [422, {}, 'invalid_request'],
    [429, { code: 'insufficient_quota', type: 'insufficient_quota' }, 'quota'],
    [429, { code: 'billing_hard_limit_reached' }, 'quota'],
    [429, { type: 'requests', code: 'rate_limit_exceeded' }, 'rate_limit_requests'],
    [429, { type: 'tokens', code: 'rate_limit_exceeded' }, 'rate_limit_tokens'],
    [429, { message: 'Limit reached on tokens per day (TPD): Limit 10.' }, 'rate_limit_tokens'],
    [429, { message: 'Limit reached on requests per min (RPM): Limit 3.' }, 'rate_limit_requests'],
    [500, { type: 'server_error' }, 'server'],
    [502, {}, 'server'],
    [503, {}, 'overloaded'],
    [504, {}, 'server'],
  ])('reads %i %j as %s', (status, error, code) => {
    expect(decode(status, error)).toMatchObject({ code, upstreamStatus: status });
  });

  it("tells the provider's words and the field at fault", () => {
    const error = decode(400, { message: "Unsupported parameter: 'max_tokens'.", param: 'max_tokens' });
    expect(error).toMatchObject({ message: "Unsupported parameter: 'max_tokens'.", param: 'max_tokens' });
    expect(decode(400, '{"error":"Model is unknown."}').message).toBe('Model is unknown.');
  });

  it.each([401, 403])('never repeats what the provider says of a key with %i', (status) => {
    const { message } = decode(status, { message: 'Incorrect API key provided: abc*****2345.' });
    expect(message).not.toMatch(/abc|2345/);
  });

  it.each([
    'sk-proj-abcdefgh12345678',
    'sk-ab**********cdef',
    'invalid-*****2345',
    'Bearer abc.def',
    'AIzaSyA1234567890',
    'gsk_abcdef123456',
    '0123456789abcdef0123456789abcdef',
  ])('redacts %s', (key) => {
    expect(decode(400, { message: `The key ${key} is no good here.` }).message).toBe(
      'The key [redacted] is no good here.',
    );
  });

  it('bounds and redacts the name of the field at fault', () => {
    const param = `metadata.sk-secret-1234${'.x'.repeat(500)}`;
    const told = decode(400, { message: 'No.', param }).param ?? '';
    expect(told).not.toContain('secret');
    expect(told.length).toBeLessThanOrEqual(200);
  });

  it('bounds the message and leaves no part of a key at its end', () => {
    const { message } = decode(400, {
      message: `${'word '.repeat(199)}sk-secret-${'a'.repeat(60)} ${'x '.repeat(500)}`,
    });
    expect(message.length).toBe(1_000);
    expect(message).not.toContain('sk-');
  });

  it.each([
    '',
    '<html><body>Bad gateway</body></html>',
    '{"error":{"mess',
    '[]',
    '"down"',
    '{}',
    '{"error":[]}',
  ])('is a clear sentence for the body %j', (body) => {
    const error = decode(502, body);
    expect(error.code).toBe('server');
    expect(error.message).toBe('The provider answered 502 and did not say why.');
  });

  it.each([
    [{ 'retry-after': '20' }, 20_000],
    [{ 'retry-after': '0.5' }, 500],
    [{ 'retry-after': 'Thu, 01 Jan 2026 00:00:30 GMT' }, 30_000],
    [{ 'retry-after': 'Wed, 31 Dec 2025 00:00:00 GMT' }, 0],
    [{ 'retry-after': '1', 'retry-after-ms': '395.2' }, 396],
    [{ 'retry-after': '2', 'retry-after-ms': '' }, 2_000],
    [{ 'retry-after': '1e308' }, 86_400_000],
    [{ 'retry-after': '-1' }, undefined],
    [{ 'retry-after': 'soon' }, undefined],
    [{}, undefined],
  ])('waits as %j asks', (headers, retryAfterMs) => {
    expect(decode(429, {}, headers).retryAfterMs).toBe(retryAfterMs);
  });
});

describe('errors within an answer', () => {
  it.each([
    [{ message: 'Sorry about that!', type: 'server_error' }, 'server'],
    [{ message: 'Too fast.', code: 'rate_limit_exceeded', type: 'requests' }, 'rate_limit_requests'],
    [{ message: 'Paid up.', code: 'insufficient_quota' }, 'quota'],
    [{ message: 'Busy.', code: 'server_is_overloaded' }, 'overloaded'],
    [{ message: 'Long.', code: 'context_length_exceeded' }, 'context_length'],
    [{ message: 'Wrong.', type: 'invalid_request_error' }, 'invalid_request'],
    [{ message: 'Token limit reached', code: 400 }, 'invalid_request'],
    ['It broke.', 'server'],
  ])('reads %j as %s', (value, code) => {
    const error = decodeOpenaiError({ error: value });
    expect(error.code).toBe(code);
    expect(error.message).toBe(typeof value === 'string' ? value : value.message);
  });
});
