import { describe, expect, it } from 'vitest';
import { ERROR_CATALOGUE, FloError, isErrorCode, type ErrorCode } from '#domain/errors';
import { encodeAnthropicError, encodeAnthropicStreamError } from './errors.ts';

const CODES = Object.keys(ERROR_CATALOGUE).filter((code) => isErrorCode(code));
const TYPES = [
  'invalid_request_error',
  'authentication_error',
  'permission_error',
  'not_found_error',
  'request_too_large',
  'rate_limit_error',
  'api_error',
  'overloaded_error',
  'timeout_error',
];

const encode = (error: FloError) => encodeAnthropicError(error, 'req_1');

describe('errors of the Messages dialect', () => {
  it.each(CODES)('say %s with its status and a type that clients know', (code) => {
    const { status, body } = encode(new FloError(code, 'Something is wrong.'));
    expect(status).toBe(ERROR_CATALOGUE[code].status);
    expect(body).toEqual({
      type: 'error',
      error: { type: expect.toBeOneOf(TYPES), message: expect.stringContaining('Something is wrong.') },
      request_id: 'req_1',
    });
  });

  it.each([
    ['invalid_key', 'authentication_error'],
    ['forbidden', 'permission_error'],
    ['model_not_found', 'not_found_error'],
    ['too_large', 'request_too_large'],
    ['quota', 'rate_limit_error'],
    ['authentication', 'api_error'],
    ['overloaded', 'overloaded_error'],
    ['deadline_exceeded', 'timeout_error'],
  ] satisfies [ErrorCode, string][])('call %s %s', (code, type) => {
    expect(encode(new FloError(code, 'x')).body).toMatchObject({ error: { type } });
  });

  it('name the field at fault once', () => {
    const message = (text: string) =>
      encode(new FloError('invalid_request', text, { param: 'max_tokens' })).body;
    expect(message('must be above 0.')).toMatchObject({ error: { message: 'max_tokens: must be above 0.' } });
    expect(message('max_tokens: no.')).toMatchObject({ error: { message: 'max_tokens: no.' } });
  });

  it('tell how long to wait, in seconds rounded up, and the request', () => {
    const { headers } = encode(new FloError('rate_limited', 'x', { retryAfterMs: 1_001 }));
    expect(headers).toMatchObject({ 'retry-after': '2', 'request-id': 'req_1' });
    expect(headers).not.toHaveProperty('x-should-retry');
  });

  it('say that the outcome is unknown, and keep clients from asking again', () => {
    const { headers, body } = encode(new FloError('outcome_unknown', 'The outcome was lost.'));
    expect(body).toMatchObject({ error: { message: expect.stringContaining('outcome_unknown') } });
    expect(headers).toMatchObject({ 'x-should-retry': 'false' });
  });

  it('end a stream as an event', () => {
    const text = encodeAnthropicStreamError(new FloError('cut_stream', 'It broke off.'), 'req_1');
    expect(text).toMatch(/^event: error\ndata: \{.*\}\n\n$/);
    expect(JSON.parse(text.slice(text.indexOf('{')))).toEqual({
      type: 'error',
      error: { type: 'api_error', message: 'It broke off.' },
      request_id: 'req_1',
    });
  });
});
