import type { ChatResponse, FinishReason, ToolCallPart } from '#contracts/inference';
import { FloError } from '#domain/errors';
import { listOf, objectOf, parseObject, textOf, type JsonObject } from '../json-fields.ts';
import type { AnswerFacts } from '../provider.ts';
import { decodeCitations, redactedOf, signatureOf } from './blocks.ts';
import { decodeAnthropicError } from './failure.ts';
import { readAnthropicUsage } from './usage.ts';

/** An unknown reason, and a paused turn, is an ordinary end. */
export const decodeStopReason = (reason: string | null): FinishReason => {
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

const readMessage = (body: Uint8Array): JsonObject => {
  const message = parseObject(body);
  if (message['type'] === 'error') throw decodeAnthropicError(message);
  if (!Array.isArray(message['content'])) {
    throw new FloError('malformed_answer', "The provider's answer has no content.");
  }
  return message;
};

const factsOf = (message: JsonObject) => ({
  id: textOf(message['id']),
  model: textOf(message['model']),
  finishReason: decodeStopReason(textOf(message['stop_reason'])),
  usage: readAnthropicUsage(message['usage'], 'provider'),
});

export const readAnthropicAnswer = (body: Uint8Array): AnswerFacts => factsOf(readMessage(body));

/** What tools did on the provider's side has no place in the canonical form. */
const decodeBlock = (value: unknown): ChatResponse['content'] => {
  const block = objectOf(value);
  switch (block['type']) {
    case 'text': {
      const text = textOf(block['text']) ?? '';
      const citations = decodeCitations(block);
      return text === '' ? [] : [{ type: 'text', text, ...(citations.length > 0 && { citations }) }];
    }
    case 'thinking': {
      const text = textOf(block['thinking']) ?? '';
      const seal = signatureOf(block['signature']);
      return text === '' && seal === null
        ? []
        : [{ type: 'reasoning', text, ...(seal !== null && { seal }) }];
    }
    case 'redacted_thinking':
      return [{ type: 'reasoning', text: '', seal: redactedOf(block) }];
    case 'tool_use':
      return [decodeToolUse(block)];
    default:
      return [];
  }
};

const decodeToolUse = (block: JsonObject): ToolCallPart => {
  const id = textOf(block['id']);
  const name = textOf(block['name']);
  if (id === null || name === null) {
    throw new FloError('malformed_answer', "A tool use in the provider's answer has no id or no name.");
  }
  return { type: 'tool_call', id, name, argumentsJson: JSON.stringify(block['input'] ?? {}) };
};

export const decodeAnthropicResponse = (body: Uint8Array): ChatResponse => {
  const message = readMessage(body);
  const { id, model, finishReason, usage } = factsOf(message);
  const stopSequence = textOf(message['stop_sequence']);
  return {
    id: id ?? '',
    model: model ?? '',
    content: listOf(message['content']).flatMap(decodeBlock),
    finishReason,
    ...(stopSequence !== null && { stopSequence }),
    usage,
  };
};
