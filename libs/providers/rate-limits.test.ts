import { describe, expect, it } from 'vitest';
import { providerFor, providerOf } from './registry.ts';
import { readResetAtMs } from './rate-limits.ts';

const NOW_MS = Date.parse('2026-08-02T17:43:50Z');

describe('when a limit is whole again', () => {
  it.each([
    ['6m0s', 360_000],
    ['7m12s', 432_000],
    ['83h10m39.057s', 299_439_057],
    ['10.332999999s', 10_333],
    ['26ms', 26],
    ['1d2h', 93_600_000],
    ['33', 33_000],
    ['0', 0],
    ['2026-08-02T17:43:57Z', 7_000],
    ['2026-08-02T17:43:40Z', 0],
    [String(NOW_MS + 1_500), 1_500],
    [String(NOW_MS / 1_000 + 3), 3_000],
    ['99999d', 32 * 86_400_000],
  ])('is read from %j', (text, afterMs) => {
    expect(readResetAtMs(text, NOW_MS)).toBe(NOW_MS + afterMs);
  });

  it.each([null, '', 'soon', '-5', '6x', 's', '1e999s', '5m '.repeat(40)])('is not known from %j', (text) => {
    expect(readResetAtMs(text, NOW_MS)).toBe(null);
  });
});

describe('the limits told beside an answer', () => {
  it('of OpenAI are by the minute, with resets as durations', () => {
    const headers = {
      'x-ratelimit-limit-requests': '200',
      'x-ratelimit-remaining-requests': '199',
      'x-ratelimit-reset-requests': '7m12s',
      'x-ratelimit-limit-tokens': '100000',
      'x-ratelimit-remaining-tokens': '88447',
    };
    expect(providerOf('openai').readRateLimits(headers, NOW_MS)).toEqual([
      { unit: 'requests', windowMs: 60_000, limit: 200, remaining: 199, resetAtMs: NOW_MS + 432_000 },
      { unit: 'tokens', windowMs: 60_000, limit: 100_000, remaining: 88_447, resetAtMs: null },
    ]);
  });

  it('of Anthropic tell tokens in and out apart', () => {
    const headers = {
      'anthropic-ratelimit-requests-limit': '50',
      'anthropic-ratelimit-requests-remaining': '0',
      'anthropic-ratelimit-requests-reset': '2026-08-02T17:43:56Z',
      'anthropic-ratelimit-input-tokens-limit': '10000',
      'anthropic-ratelimit-output-tokens-remaining': '7',
    };
    expect(providerOf('anthropic').readRateLimits(headers, NOW_MS)).toEqual([
      { unit: 'requests', windowMs: 60_000, limit: 50, remaining: 0, resetAtMs: NOW_MS + 6_000 },
      { unit: 'input_tokens', windowMs: 60_000, limit: 10_000, remaining: null, resetAtMs: null },
      { unit: 'output_tokens', windowMs: 60_000, limit: null, remaining: 7, resetAtMs: null },
    ]);
  });

  it('of Groq count requests by the day', () => {
    const headers = { 'x-ratelimit-limit-requests': '14400', 'x-ratelimit-limit-tokens': '6000' };
    expect(providerOf('groq').readRateLimits(headers, NOW_MS)).toMatchObject([
      { unit: 'requests', windowMs: 86_400_000, limit: 14_400 },
      { unit: 'tokens', windowMs: 60_000, limit: 6_000 },
    ]);
  });

  it('of Mistral are by the minute and the month, under names of today and of before', () => {
    const { readRateLimits } = providerOf('mistral');
    expect(
      readRateLimits(
        { 'x-ratelimit-limit-req-minute': '60', 'x-ratelimit-remaining-req-minute': '0' },
        NOW_MS,
      ),
    ).toEqual([{ unit: 'requests', windowMs: 60_000, limit: 60, remaining: 0, resetAtMs: null }]);
    expect(
      readRateLimits(
        {
          'x-ratelimitbysize-limit-minute': '500000',
          'x-ratelimitbysize-remaining-minute': '401381',
          'ratelimitbysize-reset': '33',
          'x-ratelimitbysize-limit-month': '1000000000',
          'x-ratelimitbysize-remaining-month': '997438986',
        },
        NOW_MS,
      ),
    ).toMatchObject([
      { unit: 'tokens', windowMs: 60_000, remaining: 401_381, resetAtMs: NOW_MS + 33_000 },
      { unit: 'tokens', windowMs: 30 * 86_400_000, remaining: 997_438_986 },
    ]);
  });

  it('of OpenRouter come with a refusal, and with a reset in Unix milliseconds', () => {
    const headers = {
      'x-ratelimit-limit': '1',
      'x-ratelimit-remaining': '0',
      'x-ratelimit-reset': String(NOW_MS + 10_000),
    };
    expect(providerOf('openrouter').readRateLimits(headers, NOW_MS)).toEqual([
      { unit: 'requests', windowMs: null, limit: 1, remaining: 0, resetAtMs: NOW_MS + 10_000 },
    ]);
  });

  it('of Azure have no reset, since it does not say in what', () => {
    const azure = providerFor({
      provider: 'openai_compatible',
      baseUrl: 'https://a.openai.azure.com',
      dialect: null,
    });
    const headers = {
      'x-ratelimit-limit-requests': '120',
      'x-ratelimit-remaining-requests': '119',
      'x-ratelimit-reset-requests': '500',
      'x-ratelimit-limit-tokens': '-1',
      'x-ratelimit-remaining-tokens': '-1',
    };
    expect(azure.readRateLimits(headers, NOW_MS)).toEqual([
      { unit: 'requests', windowMs: 60_000, limit: 120, remaining: 119, resetAtMs: null },
    ]);
  });

  it('are none where a number is none, or more than a number holds', () => {
    const headers = {
      'x-ratelimit-limit-requests': 'many',
      'x-ratelimit-remaining-tokens': '9223372036854767616',
      'x-ratelimit-limit-tokens': '0',
    };
    expect(providerOf('openai').readRateLimits(headers, NOW_MS)).toEqual([]);
  });
});
