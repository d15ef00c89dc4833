import type { ChatResponse, FinishReason, TextPart, ToolCallPart } from '#contracts/inference';
import { FloError } from '#domain/errors';
import { listOf, objectOf, parseObject, textOf, type JsonObject } from '../json-fields.ts';
import type { AnswerFacts } from '../provider.ts';
import { readAnthropicUsage } from './usage.ts';

/** An unknown reason is an ordinary end. */
export const decodeStopReason = (reason: string): FinishReason => {
  switch (reason) {
    case 'max_tokens':
    case 'model_context_window_exceeded':
      return 'length';
    case 'stop_sequence':
      return 'stop_sequence';
    case 'tool_use':
      return 'tool_calls';
    case 'refusal':
      return 'content_filter';
    default:
      return 'stop';
  }
};

const parseMessage = (body: Uint8Array): JsonObject => {
  const message = parseObject(body);
  if (!Array.isArray(message['content'])) {
    throw new FloError('malformed_answer', "The provider's answer has no content.");
  }
  return message;
};

const factsOf = (message: JsonObject): AnswerFacts => ({
  id: textOf(message['id']),
  model: textOf(message['model']),
  finishReason: textOf(message['stop_reason']),
  usage: readAnthropicUsage(message['usage'], 'provider'),
});

export const readAnthropicAnswer = (body: Uint8Array): AnswerFacts => factsOf(parseMessage(body));

/** Thinking and other blocks that no other dialect has are left out. */
const decodeBlock = (value: unknown): (TextPart | ToolCallPart)[] => {
  const block = objectOf(value);
  switch (block['type']) {
    case 'text':
      return [{ type: 'text', text: textOf(block['text']) ?? '' }];
    case 'tool_use': {
      const id = textOf(block['id']);
      const name = textOf(block['name']);
      if (id === null || name === null) {
        throw new FloError('malformed_answer', "A tool use in the provider's answer has no id or no name.");
      }
      return [{ type: 'tool_call', id, name, argumentsJson: JSON.stringify(objectOf(block['input'])) }];
    }
    default:
      return [];
  }
};

export const decodeAnthropicResponse = (body: Uint8Array): ChatResponse => {
  const message = parseMessage(body);
  const facts = factsOf(message);
  const stopSequence = textOf(message['stop_sequence']);
  return {
    id: facts.id ?? '',
    model: facts.model ?? '',
    content: listOf(message['content']).flatMap(decodeBlock),
    finishReason: decodeStopReason(facts.finishReason ?? ''),
    ...(stopSequence !== null && { stopSequence }),
    usage: facts.usage,
  };
};
