import type { ChatResponse, FinishReason, ToolCallPart } from '#contracts/inference';
import type { TokenCounts, Usage } from '#contracts/usage';

export const encodeStopReason = (reason: FinishReason): string => {
  switch (reason) {
    case 'stop':
      return 'end_turn';
    case 'stop_sequence':
      return 'stop_sequence';
    case 'length':
      return 'max_tokens';
    case 'tool_calls':
      return 'tool_use';
    case 'content_filter':
      return 'refusal';
  }
};

const sum = (tokens: TokenCounts, ...components: (keyof TokenCounts)[]): number =>
  components.reduce((total, component) => total + (tokens[component] ?? 0), 0);

/** Input here leaves the caches out; a write of no known lifetime is in the total only. */
export const encodeUsage = ({ tokens }: Usage) => ({
  input_tokens: sum(tokens, 'input', 'input_audio', 'input_image'),
  cache_creation_input_tokens: sum(tokens, 'cache_write_5m', 'cache_write_1h', 'cache_write_other'),
  cache_read_input_tokens: sum(tokens, 'cache_read'),
  output_tokens: sum(tokens, 'output', 'output_audio', 'output_image'),
});

/** Arguments that are no JSON object, which models write at times, stay readable under one name. */
const decodeArguments = ({ argumentsJson }: ToolCallPart): unknown => {
  if (argumentsJson === '') return {};
  try {
    const value: unknown = JSON.parse(argumentsJson);
    return typeof value === 'object' && value !== null && !Array.isArray(value) ? value : { value };
  } catch {
    return { raw_arguments: argumentsJson };
  }
};

export const encodeAnthropicResponse = (response: ChatResponse) => ({
  id: response.id,
  type: 'message',
  role: 'assistant',
  model: response.model,
  content: response.content.map((part) =>
    part.type === 'text'
      ? { type: 'text', text: part.text }
      : { type: 'tool_use', id: part.id, name: part.name, input: decodeArguments(part) },
  ),
  stop_reason: encodeStopReason(response.finishReason),
  stop_sequence: response.stopSequence ?? null,
  usage: encodeUsage(response.usage),
});
