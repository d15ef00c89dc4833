import type { ChatResponse, FinishReason } from '#contracts/inference';
import type { TokenCounts, Usage } from '#contracts/usage';
import type { EncodeContext } from '../surface.ts';

export const encodeFinishReason = (reason: FinishReason): string =>
  reason === 'stop_sequence' ? 'stop' : reason;

const sumOf = (tokens: TokenCounts, prefixes: readonly string[]): number =>
  Object.entries(tokens)
    .filter(([component]) => prefixes.some((prefix) => component.startsWith(prefix)))
    .reduce((sum, [, count]) => sum + count, 0);

/** Totals that hold their details as parts, as this dialect has them. */
export const encodeUsage = ({ tokens, reasoning }: Usage) => {
  const prompt = sumOf(tokens, ['input', 'cache']);
  const written = sumOf(tokens, ['cache_write']);
  const completion = sumOf(tokens, ['output']);
  return {
    prompt_tokens: prompt,
    completion_tokens: completion,
    total_tokens: prompt + completion,
    prompt_tokens_details: {
      cached_tokens: tokens.cache_read ?? 0,
      audio_tokens: tokens.input_audio ?? 0,
      ...(written > 0 && { cache_write_tokens: written }),
    },
    completion_tokens_details: {
      reasoning_tokens: reasoning ?? 0,
      audio_tokens: tokens.output_audio ?? 0,
      accepted_prediction_tokens: 0,
      rejected_prediction_tokens: 0,
    },
  };
};

export const createdSeconds = ({ createdAtMs }: EncodeContext): number => Math.floor(createdAtMs / 1_000);

export const encodeOpenaiResponse = (response: ChatResponse, context: EncodeContext) => {
  const textOf = (type: 'text' | 'refusal'): string =>
    response.content.map((part) => (part.type === type ? part.text : '')).join('');
  const text = textOf('text');
  const refusal = textOf('refusal');
  const calls = response.content.filter((part) => part.type === 'tool_call');
  return {
    id: response.id,
    object: 'chat.completion',
    created: createdSeconds(context),
    model: response.model,
    choices: [
      {
        index: 0,
        message: {
          role: 'assistant',
          content: text === '' && (calls.length > 0 || refusal !== '') ? null : text,
          refusal: refusal === '' ? null : refusal,
          ...(calls.length > 0 && {
            tool_calls: calls.map(({ id, name, argumentsJson }) => ({
              id,
              type: 'function',
              function: { name, arguments: argumentsJson },
            })),
          }),
        },
        logprobs: null,
        finish_reason: encodeFinishReason(response.finishReason),
      },
    ],
    ...(response.usage.source !== 'none' && { usage: encodeUsage(response.usage) }),
  };
};
