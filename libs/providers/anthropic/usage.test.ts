import { describe, expect, it } from 'vitest';
import { UNKNOWN_USAGE } from '#contracts/usage';
import { mergeAnthropicUsage, readAnthropicUsage } from './usage.ts';

const tokensOf = (usage: unknown) => readAnthropicUsage(usage, 'provider').tokens;

describe('usage of the Messages API', () => {
  it('puts each token in one class and keeps the object as it came', () => {
    const raw = {
      input_tokens: 3,
      cache_read_input_tokens: 7,
      cache_creation_input_tokens: 30,
      cache_creation: { ephemeral_5m_input_tokens: 10, ephemeral_1h_input_tokens: 20 },
      output_tokens: 40,
      output_tokens_details: { thinking_tokens: 25 },
      service_tier: 'priority',
      server_tool_use: { web_search_requests: 1 },
    };
    expect(readAnthropicUsage(raw, 'provider')).toEqual({
      source: 'provider',
      tokens: { input: 3, cache_read: 7, cache_write_5m: 10, cache_write_1h: 20, output: 40 },
      reasoning: 25,
      serverToolCalls: { web_search: 1 },
      serviceTier: 'priority',
      raw,
    });
  });

  it('keeps explicit zeros and leaves out what was not reported', () => {
    expect(tokensOf({ input_tokens: 0, cache_read_input_tokens: 0, output_tokens: 0 })).toEqual({
      input: 0,
      cache_read: 0,
      output: 0,
    });
    expect(tokensOf({ input_tokens: 5, cache_read_input_tokens: null, output_tokens: 1 })).toEqual({
      input: 5,
      output: 1,
    });
  });

  it.each([
    ['no split', 12, undefined, { cache_write_other: 12 }],
    ['an empty split', 12, null, { cache_write_other: 12 }],
    ['a split of zeros', 12, [0, 0], { cache_write_5m: 12, cache_write_1h: 0 }],
    ['a split of the last round', 12, [3, 4], { cache_write_5m: 8, cache_write_1h: 4 }],
    ['a split beyond the total', 12, [3, 40], { cache_write_5m: 0, cache_write_1h: 12 }],
    ['a split alone', undefined, [3, 4], { cache_write_5m: 3, cache_write_1h: 4 }],
  ])('counts every cache write once with %s', (_, total, split, expected) => {
    const [fiveMinutes, oneHour] = split ?? [];
    const cacheCreation = split && {
      ephemeral_5m_input_tokens: fiveMinutes,
      ephemeral_1h_input_tokens: oneHour,
    };
    expect(
      tokensOf({ output_tokens: 1, cache_creation_input_tokens: total, cache_creation: cacheCreation }),
    ).toEqual({ output: 1, ...expected });
  });

  it('never reports more reasoning than output', () => {
    const usage = { output_tokens: 4, output_tokens_details: { thinking_tokens: 9 } };
    expect(readAnthropicUsage(usage, 'provider').reasoning).toBe(4);
  });

  it.each([undefined, null, 'many', [], {}, { input_tokens: -1 }, { output_tokens: '5' }])(
    'does not know the tokens of %j',
    (usage) => {
      expect(readAnthropicUsage(usage, 'provider')).toEqual(UNKNOWN_USAGE);
    },
  );

  it('lets later figures of a stream replace earlier ones, field by field', () => {
    const start = { input_tokens: 43, cache_creation: { ephemeral_5m_input_tokens: 2 }, output_tokens: 1 };
    expect(mergeAnthropicUsage(start, { input_tokens: null, output_tokens: 9 })).toEqual({
      ...start,
      output_tokens: 9,
    });
    expect(mergeAnthropicUsage(start, undefined)).toEqual(start);
  });
});
