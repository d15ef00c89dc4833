import type { ChatResponse, FinishReason, Seal, ToolCallPart } from '#contracts/inference';
import type { Usage } from '#contracts/usage';
import { encodeLogprobs, encodeServiceTier, encodeUrlCitation } from '../openai/options.ts';
import { wrapSeal } from '../seal-text.ts';
import type { EncodeContext } from '../surface.ts';
import { answerTokensOf, promptTokensOf, writtenTokensOf } from '../token-totals.ts';
import { encodeReasoning } from './reasoning.ts';

export const encodeFinishReason = (reason: FinishReason): string =>
  reason === 'stop_sequence' ? 'stop' : reason;

/** Totals that hold their details as parts, as this dialect has them. */
export const encodeUsage = ({ tokens, reasoning }: Usage) => {
  const prompt = promptTokensOf(tokens);
  const written = writtenTokensOf(tokens);
  const completion = answerTokensOf(tokens);
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

export const encodeTier = ({ serviceTier }: Usage): object => {
  const tier = encodeServiceTier(serviceTier);
  return tier === undefined ? {} : { service_tier: tier };
};

/** Where Google's own endpoint of this dialect puts the signature of a call. */
export const encodeCallSeal = (seal: Seal | undefined): object =>
  seal === undefined ? {} : { extra_content: { google: { thought_signature: wrapSeal(seal) } } };

const encodeToolCall = ({ id, name, argumentsJson, seal }: ToolCallPart): object => ({
  id,
  type: 'function',
  function: { name, arguments: argumentsJson },
  ...encodeCallSeal(seal),
});

/** Positions count the whole text, of which the answer's texts are pieces. */
const encodeAnnotations = (content: ChatResponse['content']): object[] => {
  const annotations: object[] = [];
  let length = 0;
  for (const part of content) {
    if (part.type !== 'text') continue;
    for (const { start, end, ...citation } of part.citations ?? []) {
      const encoded = encodeUrlCitation({
        ...citation,
        ...(start !== undefined && { start: length + start }),
        ...(end !== undefined && { end: length + end }),
      });
      if (encoded !== null) annotations.push({ type: 'url_citation', url_citation: encoded });
    }
    length += part.text.length;
  }
  return annotations;
};

const encodeMessage = ({ content }: ChatResponse): object => {
  const textOf = (type: 'text' | 'refusal'): string =>
    content.map((part) => (part.type === type ? part.text : '')).join('');
  const text = textOf('text');
  const refusal = textOf('refusal');
  const calls = content.filter((part) => part.type === 'tool_call');
  const annotations = encodeAnnotations(content);
  return {
    role: 'assistant',
    content: text === '' && (calls.length > 0 || refusal !== '') ? null : text,
    refusal: refusal === '' ? null : refusal,
    ...encodeReasoning(content.filter((part) => part.type === 'reasoning')),
    ...(annotations.length > 0 && { annotations }),
    ...(calls.length > 0 && { tool_calls: calls.map(encodeToolCall) }),
  };
};

export const encodeOpenaiResponse = (response: ChatResponse, context: EncodeContext) => ({
  id: response.id,
  object: 'chat.completion',
  created: createdSeconds(context),
  model: response.model,
  choices: [
    {
      index: 0,
      message: encodeMessage(response),
      logprobs:
        response.logprobs === undefined
          ? null
          : { content: encodeLogprobs(response.logprobs), refusal: null },
      finish_reason: encodeFinishReason(response.finishReason),
    },
  ],
  ...encodeTier(response.usage),
  ...(response.usage.source !== 'none' && { usage: encodeUsage(response.usage) }),
});
