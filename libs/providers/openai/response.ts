import type { ChatResponse, FinishReason, TextPart, ToolCallPart } from '#contracts/inference';
import { FloError } from '#domain/errors';
import { isObject, listOf, objectOf, parseObject, textOf, type JsonObject } from '../json-fields.ts';
import type { AnswerFacts } from '../provider.ts';
import { readCitations, readLogprobs, readReasoning, readText } from './answer-parts.ts';
import { decodeOpenaiError } from './failure.ts';
import { readOpenaiUsage } from './usage.ts';

/** `function_call` is the one from before tools. An unknown reason is an ordinary end. */
export const decodeFinishReason = (reason: string): FinishReason => {
  switch (reason) {
    case 'length':
    // Mistral's, where the window is full.
    case 'model_length':
      return 'length';
    case 'tool_calls':
    case 'function_call':
      return 'tool_calls';
    case 'content_filter':
      return 'content_filter';
    default:
      return 'stop';
  }
};

const firstChoice = (answer: JsonObject): JsonObject => {
  if (isObject(answer['error'])) throw decodeOpenaiError(answer);
  const [choice] = listOf(answer['choices']);
  if (!isObject(choice)) throw new FloError('malformed_answer', "The provider's answer has no choices.");
  return choice;
};

const decodeToolCall = (value: unknown): ToolCallPart => {
  const call = objectOf(value);
  const id = textOf(call['id']);
  const name = textOf(objectOf(call['function'])['name']);
  if (id === null || name === null) {
    throw new FloError('malformed_answer', "A tool call in the provider's answer has no id or no name.");
  }
  return {
    type: 'tool_call',
    id,
    name,
    argumentsJson: textOf(objectOf(call['function'])['arguments']) ?? '',
  };
};

const finishReasonOf = (choice: JsonObject): FinishReason | null => {
  const reason = textOf(choice['finish_reason']);
  if (reason === null) return null;
  const message = objectOf(choice['message']);
  // A refusal is what the model says instead of an answer.
  const refused = textOf(message['content']) === null && textOf(message['refusal']) !== null;
  return refused ? 'content_filter' : decodeFinishReason(reason);
};

const factsOf = (answer: JsonObject): AnswerFacts => ({
  id: textOf(answer['id']),
  model: textOf(answer['model']),
  finishReason: finishReasonOf(firstChoice(answer)),
  usage: readOpenaiUsage(answer['usage'], { source: 'provider', serviceTier: answer['service_tier'] }),
});

export const readOpenaiAnswer = (body: Uint8Array): AnswerFacts => factsOf(parseObject(body));

const decodeText = (message: JsonObject): TextPart[] => {
  const text = readText(message['content']);
  const citations = readCitations(message);
  return text === '' ? [] : [{ type: 'text', text, ...(citations.length > 0 && { citations }) }];
};

export const decodeOpenaiResponse = (body: Uint8Array): ChatResponse => {
  const answer = parseObject(body);
  const choice = firstChoice(answer);
  const message = objectOf(choice['message']);
  const refusal = textOf(message['refusal']) ?? '';
  const logprobs = readLogprobs(choice);
  const facts = factsOf(answer);
  return {
    id: facts.id ?? '',
    model: facts.model ?? '',
    content: [
      ...readReasoning(message),
      ...decodeText(message),
      ...(refusal === '' ? [] : [{ type: 'refusal' as const, text: refusal }]),
      ...listOf(message['tool_calls']).map(decodeToolCall),
    ],
    finishReason: facts.finishReason ?? 'stop',
    ...(logprobs.length > 0 && { logprobs }),
    usage: facts.usage,
  };
};
