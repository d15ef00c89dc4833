import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { readOpenaiUsage } from './usage.ts';

const read = (usage: unknown, serviceTier?: unknown) =>
  readOpenaiUsage(usage, { source: 'provider', serviceTier });

describe('usage of chat completions', () => {
  it('counts each token in one class, with reasoning as a part of the output', () => {
    const raw = {
      prompt_tokens: 100,
      completion_tokens: 50,
      prompt_tokens_details: { cached_tokens: 40, cache_write_tokens: 30, audio_tokens: 10 },
      completion_tokens_details: { reasoning_tokens: 20, audio_tokens: 15 },
    };
    expect(read(raw, 'priority')).toEqual({
      source: 'provider',
      tokens: {
        input: 20,
        cache_read: 40,
        cache_write_other: 30,
        input_audio: 10,
        output: 35,
        output_audio: 15,
      },
      reasoning: 20,
      serviceTier: 'priority',
      raw,
    });
  });

  it('keeps explicit zeros and leaves out what was not reported', () => {
    expect(
      read({ prompt_tokens: 7, completion_tokens: 0, prompt_tokens_details: { cached_tokens: 0 } }),
    ).toMatchObject({ tokens: { input: 7, cache_read: 0, output: 0 } });
    const { tokens, reasoning, serviceTier } = read({ prompt_tokens: 7 });
    expect(tokens).toEqual({ input: 7 });
    expect(reasoning).toBe(undefined);
    expect(serviceTier).toBe(undefined);
  });

  it.each([
    null,
    undefined,
    'many',
    [],
    {},
    { prompt_tokens: -1 },
    { prompt_tokens: '7' },
    { completion_tokens: 1.5 },
  ])('is unknown, not zero, for %j', (usage) => {
    expect(read(usage)).toMatchObject({ source: 'none', tokens: {} });
  });

  it('adds up to the totals and is never negative, however impossible the parts are', () => {
    const part = fc.option(fc.integer({ min: -5, max: 200 }), { nil: undefined });
    const total = fc.integer({ min: 0, max: 100 });
    fc.assert(
      fc.property(total, total, part, part, part, part, part, (prompt, completion, ...parts) => {
        const [cached, written, audioIn, audioOut, reasoning] = parts;
        const usage = read({
          prompt_tokens: prompt,
          completion_tokens: completion,
          prompt_tokens_details: {
            cached_tokens: cached,
            cache_write_tokens: written,
            audio_tokens: audioIn,
          },
          completion_tokens_details: { audio_tokens: audioOut, reasoning_tokens: reasoning },
        });
        const { output = 0, output_audio: outputAudio = 0, ...inputs } = usage.tokens;
        expect(output + outputAudio).toBe(completion);
        expect(Object.values(inputs).reduce((sum, count) => sum + count, 0)).toBe(prompt);
        expect(Math.min(...Object.values(usage.tokens))).toBeGreaterThanOrEqual(0);
        expect(usage.reasoning ?? 0).toBeLessThanOrEqual(completion);
      }),
      { seed: 7 },
    );
  });
});
