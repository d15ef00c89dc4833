/** Real recorded error answers, each by its code of the catalogue. */
import { describe, expect, it } from 'vitest';
import { ERROR_CATALOGUE, type ErrorCode } from '#domain/errors';
import { providerFor } from '#providers/registry';
import { listRecordedApis, readRecordings, RECORDED_ADDRESSES, RECORDINGS_ARE_THERE } from './recordings.ts';

/** By the folder of the recordings. */
const CODES: Readonly<Record<string, Readonly<Record<string, ErrorCode>>>> = {
  openai: {
    '400-context-length': 'context_length',
    '400-unsupported-parameter': 'invalid_request',
    '401-invalid-key': 'authentication',
    '403-country': 'permission',
    '404-model-not-found': 'upstream_not_found',
    '429-insufficient-quota': 'quota',
    '429-rate-limit-requests': 'rate_limit_requests',
    '429-rate-limit-tokens': 'rate_limit_tokens',
    '500-empty-body': 'server',
    '500-server-error': 'server',
    '502-html': 'server',
    '503-overloaded': 'overloaded',
  },
  anthropic: {
    '400-prompt-too-long': 'context_length',
    '401-invalid-key': 'authentication',
    '401-old-shape': 'authentication',
    '403-permission': 'permission',
    '404-model': 'upstream_not_found',
    '413-too-large': 'too_large',
    '429-rate-limit': 'rate_limit_tokens',
    '500-api-error': 'server',
    '529-overloaded': 'overloaded',
  },
  mistral: {
    '400-typed': 'upstream_not_found',
    '401-detail': 'authentication',
    '422-validation': 'invalid_request',
    '429-rate': 'rate_limit_requests',
  },
  groq: {
    '400-tool-use-failed': 'malformed_answer',
    '401-invalid-key': 'authentication',
    '404-model': 'upstream_not_found',
    '413-too-large': 'too_large',
    '429-tokens': 'rate_limit_tokens',
  },
  openrouter: {
    '400-context-length': 'context_length',
    '401': 'authentication',
    '402-credits': 'quota',
    '429-headers': 'rate_limit_requests',
    '429-upstream': 'rate_limit_requests',
  },
  azure: {
    '401': 'authentication',
    '404-deployment': 'upstream_not_found',
    '429': 'rate_limit_requests',
    '429-tokens': 'rate_limit_tokens',
  },
  deepseek: {
    '400-context-length': 'context_length',
    '401': 'authentication',
    '402-balance': 'quota',
  },
  xai: { '400-invalid-key': 'authentication', '400-model': 'upstream_not_found' },
  ollama: {
    '400-prompt-too-long': 'context_length',
    '404-model': 'upstream_not_found',
    '503-overloaded': 'overloaded',
  },
  llamacpp: { '500-tools': 'server', '501': 'invalid_request' },
  google: {
    '400-api-key-invalid': 'authentication',
    '400-in-sse': 'authentication',
    '403-unregistered': 'permission',
    '404-model': 'upstream_not_found',
    '429-quota': 'rate_limit_tokens',
    '429-quota-project': 'rate_limit_requests',
    '500-internal': 'server',
    '503-overloaded': 'overloaded',
  },
  vertex: { '400-context-length': 'context_length', '429-exhausted': 'rate_limit_requests' },
};

/** Vertex AI is not served, and fails as the Gemini API does. */
const addressOf = (folder: string) => RECORDED_ADDRESSES[folder === 'vertex' ? 'google' : folder];

/** How long a provider asks to wait, read without the code under test. */
const waitMsOf = (headers: Record<string, string>, body: string): number | undefined => {
  const { 'retry-after-ms': milliseconds, 'retry-after': seconds } = headers;
  if (milliseconds !== undefined) return Math.ceil(Number(milliseconds));
  if (seconds !== undefined) return Number(seconds) * 1_000;
  const delay = /"retryDelay": "(\d+)s"/.exec(body)?.[1];
  return delay === undefined ? undefined : Number(delay) * 1_000;
};

describe('recorded errors', () => {
  it('are read of every provider', ({ skip }) => {
    skip(!RECORDINGS_ARE_THERE, 'FLO2_WIRE_RECORDINGS names no folder of recordings');
    const recorded = listRecordedApis().filter((api) => api.endsWith('/errors'));
    expect(new Set(recorded.map((api) => api.split('/')[0]))).toEqual(new Set(Object.keys(CODES)));
  });

  it.each(Object.keys(CODES).flatMap((folder) => readRecordings(`${folder}/errors`)))(
    '$api/$file has its code',
    ({ api, name, body, headers, status: recorded }) => {
      const [folder = ''] = api.split('/');
      const address = addressOf(folder);
      if (address === undefined) throw new TypeError(`nobody knows where ${folder} was recorded`);
      const status = recorded ?? 0;
      const error = providerFor(address).decodeError({ status, headers, body, nowMs: 0 });
      expect(error.code).toBe(CODES[folder]?.[name]);
      expect(error.upstreamStatus).toBe(status);
      expect(error.message).not.toMatch(/<html|sk-|undefined/i);
      expect(ERROR_CATALOGUE[error.code]).toBeDefined();
      expect(error.retryAfterMs).toBe(waitMsOf(headers, body.toString('utf8')));
    },
  );
});
