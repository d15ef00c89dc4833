import type { AssistantPart, ChatResponse, FinishReason, ToolCallPart } from '#contracts/inference';
import type { Usage } from '#contracts/usage';
import { isObject } from '../field-reader.ts';

const STOP_REASONS: Readonly<Record<FinishReason, string>> = {
  stop: 'end_turn',
  stop_sequence: 'stop_sequence',
  length: 'max_tokens',
  tool_calls: 'tool_use',
  content_filter: 'refusal',
};

export const encodeStopReason = (reason: FinishReason): string => STOP_REASONS[reason];

/** The tiers of the dialect; clients may refuse a word they do not know. */
const SERVICE_TIERS = ['standard', 'priority', 'batch'];

/**
 * Usage as the dialect counts: `input_tokens` without caches. What is unknown is null where the dialect
 * lets it be, else 0.
 */
export const encodeUsage = ({ tokens, reasoning, serviceTier }: Usage): object => {
  const { cache_write_5m, cache_write_1h, cache_write_other } = tokens;
  const hasWrites = [cache_write_5m, cache_write_1h, cache_write_other].some((count) => count !== undefined);
  const isSplit = cache_write_5m !== undefined || cache_write_1h !== undefined;
  return {
    input_tokens: (tokens.input ?? 0) + (tokens.input_audio ?? 0) + (tokens.input_image ?? 0),
    cache_creation_input_tokens: hasWrites
      ? (cache_write_5m ?? 0) + (cache_write_1h ?? 0) + (cache_write_other ?? 0)
      : null,
    cache_read_input_tokens: tokens.cache_read ?? null,
    // With a write of unknown lifetime the split would not add up.
    cache_creation:
      isSplit && (cache_write_other ?? 0) === 0
        ? {
            ephemeral_5m_input_tokens: cache_write_5m ?? 0,
            ephemeral_1h_input_tokens: cache_write_1h ?? 0,
          }
        : null,
    output_tokens: (tokens.output ?? 0) + (tokens.output_audio ?? 0) + (tokens.output_image ?? 0),
    ...(reasoning !== undefined && { output_tokens_details: { thinking_tokens: reasoning } }),
    service_tier: serviceTier !== undefined && SERVICE_TIERS.includes(serviceTier) ? serviceTier : null,
  };
};

/** Arguments that are no JSON object, which models write at times, stay readable under one name. */
const decodeArguments = ({ argumentsJson }: ToolCallPart): object => {
  if (argumentsJson.trim() === '') return {};
  try {
    const value: unknown = JSON.parse(argumentsJson);
    return isObject(value) ? value : { value };
  } catch {
    return { raw_arguments: argumentsJson };
  }
};

const encodePart = (part: AssistantPart): object[] => {
  switch (part.type) {
    case 'text':
    case 'refusal':
      return [{ type: 'text', text: part.text }];
    case 'reasoning':
      return [];
    case 'tool_call':
      return [{ type: 'tool_use', id: part.id, name: part.name, input: decodeArguments(part) }];
  }
};

export const encodeAnthropicResponse = (response: ChatResponse): object => ({
  id: response.id,
  type: 'message',
  role: 'assistant',
  model: response.model,
  content: response.content.flatMap(encodePart),
  stop_reason: encodeStopReason(response.finishReason),
  stop_sequence: response.stopSequence ?? null,
  usage: encodeUsage(response.usage),
});
